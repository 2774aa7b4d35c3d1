package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// YAML returns the effective settings in the form of config.yaml, each with its source in a comment.
// Used as config.yaml it gives the same settings again, unless it masks a secret that was given openly:
// then loading it fails, rather than to take the mask for the secret.
func (l Loaded) YAML() string {
	var b strings.Builder
	section := ""
	for _, s := range l.settings {
		section = openSection(&b, section, s.Key)
		_, name, _ := strings.Cut(s.Key, ".")
		fmt.Fprintf(&b, "  %s: %s  # %s\n", name, s.Value, s.Source)
	}
	return b.String()
}

// Template returns the config.yaml that says what holds without one: every key with its default and its
// meaning.
func Template() string {
	var b strings.Builder
	b.WriteString("# Every setting with its default; a test holds this file equal to the code. The service reads\n" +
		"# config.yaml in its working directory, or the file that --config names. The environment\n" +
		"# (USERAPI_HTTP_ADDR for http.addr) and the flags (--set http.addr=:9000) are stronger.\n")
	section := ""
	for _, d := range described() {
		section = openSection(&b, section, d.name)
		_, name, _ := strings.Cut(d.name, ".")
		fmt.Fprintf(&b, "  # %s (%s)\n  %s: %s\n", d.meaning, d.rule.allows, name, d.value)
	}
	return b.String()
}

// Markdown returns the table of all settings for the README.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| key | default | environment variable | meaning | allowed | on SIGHUP |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, d := range described() {
		follows := ""
		if d.live {
			follows = "changes"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` | %s | %s | %s |\n", d.name, d.value, d.env(), d.meaning, d.rule.allows, follows)
	}
	return b.String()
}

// Help returns the text of --help: the flags, then every key with its default and environment variable.
func Help() string {
	var b strings.Builder
	b.WriteString("Usage: userapi [flags]\n\nFlags:\n")
	b.WriteString((&loader{}).flags(&commandLine{}).FlagUsages())
	b.WriteString("\nSettings come from the defaults below, from config.yaml, the environment and the flags, of which each\n" +
		"is stronger than the one before. In the environment and in --set a list is written a,b.\n")
	section := ""
	for _, d := range described() {
		if s, _, _ := strings.Cut(d.name, "."); s != section {
			b.WriteString("\n")
			section = s
		}
		fmt.Fprintf(&b, "  %s  (default %s, %s)\n      %s (%s)\n", d.name, d.value, d.env(), d.meaning, d.rule.allows)
	}
	return b.String()
}

// description is a key with its default as YAML.
type description struct {
	key
	value string
}

// described returns the table of keys for the documents.
func described() []description {
	defaults := Default().values()
	found := []description{}
	for _, k := range keys() {
		found = append(found, description{key: k, value: inYAML(defaults[k.name])})
	}
	return found
}

// openSection begins a new section when the key stands in another one than the last, and returns it.
func openSection(b *strings.Builder, last, key string) string {
	section, _, _ := strings.Cut(key, ".")
	if section == last {
		return last
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString(section + ":\n")
	return section
}

// plain returns a value as text, in the form that the environment and --set take.
func plain(value any) string {
	switch v := value.(type) {
	case time.Duration:
		text := v.String()
		for _, zero := range []string{"m0s", "h0m"} { // 1h0m0s is 1h
			if strings.HasSuffix(text, zero) {
				text = text[:len(text)-2]
			}
		}
		return text
	case []string:
		return strings.Join(v, ",")
	case Secret:
		return v.Reveal()
	default:
		return fmt.Sprint(v)
	}
}

// inYAML returns a value as it stands in config.yaml, a secret masked. Text is always in quotes but for
// words that no reader of YAML takes for anything else.
func inYAML(value any) string {
	switch v := value.(type) {
	case Secret:
		return strconv.Quote(v.String())
	case Rate:
		return strconv.Quote(v.String())
	case string:
		if v == "" || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") != "" || isYAMLWord(v) {
			return strconv.Quote(v)
		}
		return v
	case []string:
		quoted := make([]string, len(v))
		for i, element := range v {
			quoted[i] = strconv.Quote(element)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	default:
		return plain(v)
	}
}

// isYAMLWord names the words that some version of YAML takes for a truth value or for nothing.
func isYAMLWord(text string) bool {
	switch text {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return true
	}
	return false
}
