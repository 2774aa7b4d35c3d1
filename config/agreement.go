package config

import (
	"slices"
	"strings"
)

// agreement is a rule about several settings, each of which its own rule allows.
type agreement struct {
	about []string // the settings that it looks at, the one that is at fault first
	judge func(Config) *complaint
	// serving says that it is about a service that runs: what only migrates or asks need not keep it.
	serving bool
}

// agreements returns all rules about several settings. No complaint of theirs repeats a secret.
func agreements() []agreement {
	engine := []string{"storage.engine", "storage.dsn", "storage.dsn_file"}
	dsn := []string{"storage.dsn", "storage.dsn_file", "storage.engine"}
	idle := complaint{"the memory engine needs no cache", "set storage.engine to another one, or remove this"}
	return append(slices.Concat(agreementsOfGuarding(), ofTLS()), []agreement{
		{about: engine, judge: func(c Config) *complaint {
			if c.Storage.Engine == EngineMemory || c.Storage.DSN != "" {
				return nil
			}
			return &complaint{
				c.Storage.Engine + " is not told where its data are",
				"set storage.dsn, or storage.dsn_file; " + dsnExample(c.Storage.Engine),
			}
		}},
		{about: dsn, judge: func(c Config) *complaint {
			switch {
			case c.Storage.DSN == "":
				return nil
			case c.Storage.Engine == EngineMemory:
				return &complaint{"the memory engine has its data nowhere else", "set storage.engine to the one that is meant, or remove this"}
			}
			return checkDSN(c.Storage.Engine, c.Storage.DSN.Reveal())
		}},
		{about: []string{"cache.redis", "cache.redis_file", "storage.engine"}, judge: func(c Config) *complaint {
			if c.Cache.Redis == "" || c.Storage.Engine != EngineMemory {
				return nil
			}
			return &idle
		}},
		{about: []string{"cache.local", "storage.engine"}, judge: func(c Config) *complaint {
			if c.Cache.Local == 0 || c.Storage.Engine != EngineMemory {
				return nil
			}
			return &idle
		}},
		{about: []string{"admin.pprof", "admin.addr"}, judge: func(c Config) *complaint {
			if !c.Admin.Pprof || c.Admin.Addr != "" {
				return nil
			}
			return &complaint{"profiles are served at admin.addr only, which is not set", "set admin.addr, such as to 9091, or set this to false"}
		}},
		{about: []string{"cache.local", "cache.redis", "cache.redis_file"}, judge: func(c Config) *complaint {
			if c.Cache.Local == 0 || c.Cache.Redis == "" {
				return nil
			}
			return &complaint{
				"what a process keeps for itself does not follow the instances that share cache.redis",
				"set it to 0, or remove cache.redis",
			}
		}},
	}...)
}

// ofTLS returns the rules about TLS.
func ofTLS() []agreement {
	return []agreement{
		{about: []string{"tls.cert_file", "tls.key_file"}, judge: func(c Config) *complaint {
			if c.TLS.CertFile != "" || c.TLS.KeyFile == "" {
				return nil
			}
			return &complaint{"tls.key_file is the key of no certificate", "name the file of the certificate, or remove tls.key_file"}
		}},
		{about: []string{"tls.key_file", "tls.cert_file"}, judge: func(c Config) *complaint {
			if c.TLS.KeyFile != "" || c.TLS.CertFile == "" {
				return nil
			}
			return &complaint{"the certificate of tls.cert_file has no key", "name the file of its key, or remove tls.cert_file"}
		}},
		{about: []string{"tls.hsts", "tls.cert_file"}, judge: func(c Config) *complaint {
			if c.TLS.HSTS == 0 || c.TLS.CertFile != "" {
				return nil
			}
			return &complaint{"browsers heed it over TLS only, which is not on", "set tls.cert_file and tls.key_file, or set this to 0s and say it in the proxy that ends TLS"}
		}},
	}
}

// disagreements returns what the rules about several settings have against the values of c. Rules about a
// setting that has a fault already are left out: it does not have the value that somebody meant. So are,
// unless it is serving, those about a service that runs.
func (c Config) disagreements(faults []Fault, serving bool) []Fault {
	found := []Fault{}
	for _, a := range agreements() {
		doubtful := slices.ContainsFunc(faults, func(f Fault) bool {
			return slices.ContainsFunc(a.about, func(name string) bool {
				return f.Key == name || strings.HasPrefix(name, f.Key+".")
			})
		})
		if doubtful || a.serving && !serving {
			continue
		}
		if wrong := a.judge(c); wrong != nil {
			found = append(found, Fault{Key: a.about[0], Problem: wrong.problem, Mend: wrong.mend})
		}
	}
	return found
}
