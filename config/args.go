package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// commandLine is what the arguments say.
type commandLine struct {
	layer
	action    Action
	file      string
	fileGiven bool
	newKey    NewKey
}

// assignment is one key=value of the command line, in the order in which it was written.
type assignment struct{ flag, name, text string }

// readArgs reads the arguments. It goes on after a bad one, so that all faults are found.
func (l *loader) readArgs(args []string) commandLine {
	line := commandLine{layer: newLayer(), file: defaultFile}
	flags := l.flags(&line)
	for {
		err := flags.Parse(args)
		l.refuseArgs(flags.Args(), flags.ArgsLenAtDash())
		var syntax *pflag.InvalidSyntaxError
		var missing *pflag.ValueRequiredError
		switch {
		case errors.As(err, &syntax):
			l.fault("", "command line", complaint{shown(flagName(syntax.GetSpecifiedFlag())) + " is not a flag", "see --help"})
			args = args[slices.Index(args, syntax.GetSpecifiedFlag())+1:]
			continue
		case errors.As(err, &missing):
			name := "--" + missing.GetSpecifiedName()
			l.fault("", name, complaint{"the value is missing", "write " + name + " and a value"})
		}
		l.checkNewKey(&line)
		return line
	}
}

// flags returns the flags of the program, each of which writes to the line or notes a fault. None of
// them fails towards pflag, which would stop at the first and repeat the value.
func (l *loader) flags(line *commandLine) *pflag.FlagSet {
	f := pflag.NewFlagSet("userapi", pflag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.SortFlags = false
	f.ParseErrorsAllowlist.UnknownFlagsHandling = pflag.PassUnknownFlagToArgs

	setting := func(flag, name, usage string) {
		f.Func(flag, usage, func(text string) error {
			l.assign(line.layer, assignment{"--" + flag, name, text})
			return nil
		})
	}
	action := func(flag, short, usage string, a Action) {
		f.BoolFuncP(flag, short, usage, func(text string) error {
			if text != "true" {
				l.fault("", "--"+flag, complaint{"the flag takes no value", "write --" + flag + " alone"})
				return nil
			}
			if line.action == Serve || a < line.action {
				line.action = a
			}
			return nil
		})
	}
	setting("addr", "http.addr", "where to listen, as `host:port`; the same as --set http.addr=host:port")
	setting("log-level", "log.level", "least important `level` that is logged; the same as --set log.level=level")
	f.Func("set", "give any setting a value, as `key=value`; may be repeated, the last one wins", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			l.fault("", "--set", complaint{"the value has no equals sign", "write --set key=value"})
			return nil
		}
		l.assign(line.layer, assignment{"--set", name, value})
		return nil
	})
	f.Func("config", "read this `file` instead of ./config.yaml; it must exist", func(text string) error {
		line.file, line.fileGiven = text, true
		return nil
	})
	action("print-config", "", "print the effective settings and where each one came from, and exit", PrintConfig)
	f.Func("new-api-key", "print a new API key for `name` and the line to store, and exit", func(text string) error {
		line.newKey.Name = text
		if line.action == Serve || NewAPIKey < line.action {
			line.action = NewAPIKey
		}
		return nil
	})
	f.Func("scopes", "what the new key may do, as `scope,scope`", func(text string) error {
		line.newKey.Scopes = l.readScopes(text)
		return nil
	})
	f.Func("expires", "when the new key ends: a `time` like 2027-01-31T00:00:00Z, or a duration like 2160h", func(text string) error {
		l.readExpiry(&line.newKey, text)
		return nil
	})
	action("migrate", "", "bring the schema of the store up to date, and exit", Migrate)
	action("healthcheck", "", "ask the running service at http.addr whether it is ready, and exit with 0 or 1", HealthCheck)
	action("version", "", "print the version and exit", ShowVersion)
	action("help", "h", "print this text and exit", ShowHelp)
	return f
}

// assign takes one key=value, or notes that there is no such key. The value of an unknown key is not
// repeated: it may be a secret under a mistyped name.
func (l *loader) assign(into layer, a assignment) {
	k, ok := l.byName[a.name]
	if !ok {
		l.fault(named(a.name), a.flag, complaint{"unknown key", l.suggest(a.name)})
		return
	}
	if k.secret && a.text != "" {
		l.warnings = append(l.warnings, fmt.Sprintf("%s was given by %s, where every user of the machine can read it; "+
			"prefer %s or %s", k.name, a.flag, k.env(), k.fileKey()))
	}
	l.take(into, k, a.text, a.flag)
}

// refuseArgs notes the unknown flags among the arguments that pflag left over, and then the number of
// the others. Those are not repeated, nor is the value of an unknown flag: each may be a secret.
func (l *loader) refuseArgs(rest []string, dash int) {
	stray, afterUnknown := 0, false
	for i, arg := range rest {
		isFlag := len(arg) > 1 && arg[0] == '-' && (dash < 0 || i < dash)
		if isFlag {
			name := flagName(arg)
			l.fault("", shown(name), complaint{"unknown flag", l.suggestFlag(name)})
		} else if !afterUnknown {
			stray++
		}
		afterUnknown = isFlag && !strings.Contains(arg, "=")
	}
	if stray > 0 {
		l.fault("", "command line", complaint{
			fmt.Sprintf("arguments that belong to no flag: %d", stray),
			"write settings as flags, like --addr 127.0.0.1:9000 or --set key=value",
		})
	}
}

// flagName returns the flag of an argument without the value that may hang on it.
func flagName(arg string) string {
	name, _, _ := strings.Cut(shorten(arg), "=")
	switch {
	case name == "--":
		return "--="
	case !strings.HasPrefix(name, "--"):
		return string([]rune(arg)[:2])
	}
	return name
}

func (l *loader) suggestFlag(written string) string {
	written = strings.TrimLeft(written, "-")
	flags := []string{"addr", "log-level", "set", "config", "print-config", "new-api-key", "scopes", "expires", "migrate", "healthcheck", "version", "help"}
	if meant, alike := nearest(written, flags); alike {
		return "did you mean --" + meant + "?"
	}
	if meant, alike := nearest(written, l.names()); alike {
		return "write --set " + meant + "=value"
	}
	return "see --help"
}
