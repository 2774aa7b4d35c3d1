package config

import (
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"testing"
)

// FuzzLoad proves that no file, environment or command line makes Load panic, and that it ends in
// either faults that are told in full or in settings that are valid and can be printed and loaded again.
func FuzzLoad(f *testing.F) {
	for _, seed := range [][3]string{
		{"", "", ""},
		{Template(), "USERAPI_HTTP_ADDR=:1", "--addr\n:2"},
		{"http: {addr: :1, addr: :2, Addr: :3}", "USERAPI_X=", "--set\nlog.level=debug"},
		{"http:\n  addr: &a :1\n  read_timeout: *a\n", "USERAPI_CURSOR_KEY_FILE=file", "--config\nfile"},
		{"a: &a [*a]\nhttp: *a\n", "USERAPI_HTTP_TRUSTED_PROXIES=,", "--\n-x"},
		{"? {a: b}\n: c\n--- x\n", "=", "---\n--=\n-\n-h=\n--help"},
		{"http: !!map {addr: !!int 1, trusted_proxies: [~]}", "USERAPI_HTTP_ADDR", "--print-config\n--set"},
		{"\ufeff\r\nlog:\r\n\tlevel: x", "USERAPI_HTTP_READ_TIMEOUT=3", "--set\n=\n--config="},
		{"cursor:\n  key: " + sampleKey(1) + "\n  key_file: file", "USERAPI_SHUTDOWN_DRAIN=0s", "-test.x\n--version=1"},
		{"\xff\xfeh\x00", "USERAPI_CURSOR_KEY_FILE=\xff", "--\xff=\xff\n-\xff"},
		{"storage: {engine: sqlite, dsn: users.db}", "USERAPI_STORAGE_DSN=********", "--set\nstorage.engine=mysql"},
		{"storage:\n  engine: postgres\n  dsn_file: file\n", "USERAPI_STORAGE_DSN_FILE=a://b@c", "--set\na://b@c=c"},
		{"<<: {http: {addr: :1}}", "USERAPI_HTTP_ADDR=[::1%a]:1", "--addr\n%"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, file, environ, args string) {
		load := func(file string, environ, args []string) (Loaded, error) {
			l := loader{catalogue: newCatalogue(), read: func(path string) ([]byte, error) {
				if path == "absent" {
					return nil, fs.ErrNotExist
				}
				return []byte(file), nil
			}}
			return l.load(args, environ)
		}
		loaded, err := load(file, strings.Split(environ, "\n"), strings.Split(args, "\n"))
		var faults *Error
		switch {
		case errors.As(err, &faults):
			for _, fault := range faults.Faults {
				if fault.Source == "" || fault.Problem == "" || fault.Mend == "" || strings.ContainsAny(fault.String(), "\n\r\x1b") {
					t.Errorf("%q does not tell all in one line", fault)
				}
			}
			if len(faults.Faults) == 0 {
				t.Error("an error without a fault")
			}
		case err != nil:
			t.Errorf("%T: %v", err, err)
		case loaded.Config.Validate() != nil:
			t.Errorf("%+v: %v", loaded.Config, loaded.Config.Validate())
		case len(loaded.Settings()) > 0 && !holdsSecret(loaded.Config):
			again, err := load(loaded.YAML(), nil, nil)
			if err != nil || !reflect.DeepEqual(again.Config, loaded.Config) {
				t.Errorf("%v: %+v became %+v", err, loaded.Config, again.Config)
			}
		}
	})
}

// holdsSecret reports whether a printed Config has a mask, or is without what a file holds.
func holdsSecret(c Config) bool {
	for _, value := range c.values() {
		if secret, ok := value.(Secret); ok && secret != "" {
			return true
		}
	}
	return false
}
