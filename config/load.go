package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

const (
	defaultFile  = "config.yaml"
	maxFileBytes = 1 << 20 // far above any real file, and an end to /dev/zero
)

// Action is what the command line asks the program to do.
type Action int

// The actions. Of several that are asked for, the one that stands first here after Serve wins.
const (
	Serve       Action = iota // run the service
	ShowHelp                  // print Help and exit 0
	ShowVersion               // print the version and exit 0
	PrintConfig               // print Loaded.YAML and exit 0
	NewAPIKey                 // make the API key that Loaded.NewKey describes, print it and exit 0
	HealthCheck               // ask the service that runs at http.addr whether it is ready and exit 0 or 1
	Migrate                   // bring the schema of the store up to date and exit
)

// Loaded is what Load found out. Printing it, or any part of it, shows no secret.
type Loaded struct {
	Action   Action
	Config   Config   // the effective settings, or Default for ShowHelp, ShowVersion and NewAPIKey
	Warnings []string // one line each, for the log or standard error
	NewKey   NewKey   // for NewAPIKey
	settings []Setting
	fromFile bool // there was a file
}

// Setting is the effective value of one key.
type Setting struct {
	Key    string
	Value  string // as YAML; a secret is masked
	Source string // default, config.yaml:3, USERAPI_HTTP_ADDR, --addr or --set
}

// Settings returns every setting in the order of the documents, or none for ShowHelp and ShowVersion.
func (l Loaded) Settings() []Setting { return slices.Clone(l.settings) }

// Load returns the effective settings. From weakest to strongest: Default, then config.yaml in dir (or
// the file that --config names, which must exist), then the environment, then the command line, where
// of two flags for one key the later wins. dir is the working directory, to which relative paths
// belong; empty means that of the process. args comes without the program's name, environ is in the
// form of os.Environ.
//
// An error is always an *Error with every fault there is: each value is judged wherever it is given,
// also where a stronger source overrides it, and then the effective ones are judged together. Loaded then has only its warnings to give. An environment
// variable that is empty counts as not set; one that has our prefix but names no key is a warning only,
// since orchestrators inject such. --help and --version win over everything else, faults included.
func Load(dir string, args, environ []string) (Loaded, error) {
	l := loader{catalogue: newCatalogue(), dir: dir, read: ReadFile}
	return l.load(args, environ)
}

// Reload is Load for a program that has loaded before, from the same places. A config.yaml that was there
// then must still be, so that nobody who moves it takes the absence for the defaults.
func (l Loaded) Reload(dir string, args, environ []string) (Loaded, error) {
	again := loader{catalogue: newCatalogue(), dir: dir, read: ReadFile, expected: l.fromFile}
	return again.load(args, environ)
}

// loader is the state of one Load.
type loader struct {
	catalogue
	dir        string
	read       func(path string) ([]byte, error)
	faults     []Fault
	warnings   []string
	expected   bool // the file is known to have been there
	found      bool // it was read
	incomplete bool // the file was not read to its end, so that settings are missing
}

// layer is what one kind of source says, by key: the values, judged already, and where each one stands.
type layer struct {
	values  map[string]any
	sources map[string]string
}

func newLayer() layer { return layer{values: map[string]any{}, sources: map[string]string{}} }

func (l *loader) load(args, environ []string) (Loaded, error) {
	line := l.readArgs(args)
	if line.action == ShowHelp || line.action == ShowVersion {
		return Loaded{Action: line.action, Config: Default()}, nil
	}
	if line.action == NewAPIKey { // it is there before the settings that need it
		if len(l.faults) > 0 {
			return Loaded{Action: line.action, Warnings: l.warnings}, &Error{Faults: l.faults}
		}
		return Loaded{Action: line.action, Config: Default(), NewKey: line.newKey, Warnings: l.warnings}, nil
	}
	file := l.readConfigFile(line.file, line.fileGiven)
	env := l.readEnviron(environ)
	loaded := l.merge(file, env, line.layer)
	serving := line.action == Serve || line.action == PrintConfig
	if !l.incomplete {
		l.agree(loaded, serving)
	}
	if rates := loaded.Config.Limit; serving && rates.Writes != (Rate{}) && rates.Bulk == (Rate{}) {
		l.warnings = append(l.warnings, "limit.writes bounds nobody who sends batches, since those are charged to limit.bulk, which is off; set limit.bulk too, such as 1000/1m")
	}
	if len(l.faults) > 0 {
		return Loaded{Action: line.action, Warnings: l.warnings}, &Error{Faults: l.faults}
	}
	loaded.Action, loaded.Warnings, loaded.fromFile = line.action, l.warnings, l.found
	return loaded, nil
}

// take judges the text of one value and puts it into the layer, or notes a fault.
func (l *loader) take(into layer, k key, text, source string) {
	value, wrong := k.rule.parse(text)
	if wrong != nil {
		l.fault(k.name, source, *wrong)
		return
	}
	into.values[k.name], into.sources[k.name] = value, source
}

func (l *loader) fault(key, source string, wrong complaint) {
	l.faults = append(l.faults, Fault{Key: key, Source: source, Problem: wrong.problem, Mend: wrong.mend})
}

// agree notes which of the effective settings contradict each other.
func (l *loader) agree(loaded Loaded, serving bool) {
	for _, f := range loaded.Config.disagreements(l.faults, serving) {
		for _, s := range loaded.settings {
			if s.Key == f.Key {
				f.Source = s.Source
			}
		}
		l.faults = append(l.faults, f)
	}
}

// merge lets viper lay the layers over each other and fill the struct. The environment is merged over
// the file instead of bound, because viper would read it from the process, where no test can put it.
func (l *loader) merge(file, env, flags layer) Loaded {
	v := viper.New()
	defaults, sources := Default().values(), map[string]string{}
	for _, k := range l.keys {
		v.SetDefault(k.name, defaults[k.name])
		sources[k.name] = "default"
	}
	for _, over := range []layer{file, env, flags} {
		maps.Copy(sources, over.sources)
	}
	err := errors.Join(v.MergeConfigMap(file.values), v.MergeConfigMap(env.values))
	for name, value := range flags.values {
		v.Set(name, value)
	}
	var loaded Loaded
	for _, k := range l.keys {
		value := inYAML(v.Get(k.name)) // empty for a secret from a file, so that what is printed can be loaded again
		if k.secret {
			l.readSecret(k, v, sources)
		}
		loaded.settings = append(loaded.settings, Setting{Key: k.name, Value: value, Source: sources[k.name]})
	}
	if err = errors.Join(err, v.UnmarshalExact(&loaded.Config, asIs)); err != nil {
		l.fault("", "package config", complaint{"its keys do not fit its struct: " + err.Error(), "report this as a bug"})
	}
	return loaded
}

// asIs keeps the decoder from converting: every value has the type of its field by now.
func asIs(c *mapstructure.DecoderConfig) { c.WeaklyTypedInput, c.DecodeHook = false, nil }

// readSecret reads a secret from its file, if one is named.
func (l *loader) readSecret(k key, v *viper.Viper, sources map[string]string) {
	name := k.fileKey()
	path, _ := v.Get(name).(string)
	if path == "" {
		return
	}
	if v.Get(k.name) != Secret("") {
		both := sources[k.name] + " and " + sources[name]
		l.fault(k.name, both, complaint{k.name + " and " + name + " are both given", "give only one of them"})
		return
	}
	content, err := l.read(l.locate(path))
	if err != nil {
		l.fault(name, sources[name], unreadable(path, err))
		return
	}
	value, wrong := k.rule.parse(strings.TrimSpace(string(content)))
	if wrong == nil && value == Secret("") && !k.emptied {
		wrong = &complaint{"the file is empty", "write " + k.name + " into it, or do not name it"}
	}
	if wrong != nil {
		l.fault(name, sources[name], *wrong)
		return
	}
	v.Set(k.name, value)
	sources[k.name] = "read from " + name
}

// locate returns where a path that somebody gave is to be found.
func (l *loader) locate(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}

var errTooLong = errors.New("longer than 1 MiB")

// fileWithin is how long a file may take to be read: one that is a pipe need not come to an end.
const fileWithin = 2 * time.Second

// ReadFile returns what a file holds that a setting names. It reads no more than 1 MiB, and waits for a pipe,
// but not for long and not for somebody who would write into it. It is safe for concurrent use.
func ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	_ = f.SetReadDeadline(time.Now().Add(fileWithin)) // only what can wait has one
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(content) > maxFileBytes {
		err = errTooLong
	}
	return content, err
}

// unreadable leaves the path of the error out: it is not always the one that somebody gave.
func unreadable(path string, err error) complaint {
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	return complaint{fmt.Sprintf("%s cannot be read: %v", shown(path), err), "name a file that can be read"}
}
