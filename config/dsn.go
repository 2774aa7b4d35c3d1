package config

import (
	"regexp"
	"strings"
)

// dsn allows any text but the mask. Whether it leads anywhere is known only to the driver of the engine,
// and whether it has the form that the engine takes is judged together with the engine, by checkDSN.
func dsn() rule {
	const forms = "users.db, postgres://user@host/db, user@tcp(host)/db, or nothing"
	return rule{allows: forms, parse: func(text string) (any, *complaint) {
		if text == mask {
			return reject("write the secret itself", "the value is the mask that --print-config shows")
		}
		return Secret(text), nil
	}}
}

// dsnExample returns the mend for a DSN that is missing or has the form of another engine.
func dsnExample(engine string) string {
	switch engine {
	case EngineSQLite:
		return "write the path of a file, like users.db"
	case EnginePostgres:
		return "write it like postgres://user:password@host:5432/database or host=... dbname=..."
	default:
		return "write it like user:password@tcp(host:3306)/database"
	}
}

// checkDSN refuses what is plainly meant for another engine, or for none. It is no parser: whatever the
// driver of the engine accepts passes here too. No complaint repeats the value.
func checkDSN(engine, text string) *complaint {
	var fits bool
	switch engine {
	case EngineSQLite:
		if isTransient(text) {
			return &complaint{"SQLite in memory loses its data, and each connection sees others", "use storage.engine: memory"}
		}
		fits = strings.HasPrefix(text, "file:") || !strings.Contains(text, "://") && !isPostgresWords(text) && !holdsPassword(text)
	case EnginePostgres:
		rest, isURL := strings.CutPrefix(strings.Replace(text, "postgresql://", "postgres://", 1), "postgres://")
		_, path, _ := strings.Cut(rest, "/")
		path, _, _ = strings.Cut(path, "?")
		if isURL && strings.Contains(path, "@") { // the driver would take what is before the slash for a port, and show the rest
			return &complaint{"the password has a slash that is not escaped", "write %2F for it"}
		}
		fits = isURL || isPostgresWords(text)
	case EngineMySQL:
		fits = isMySQL(text)
	}
	if fits {
		return nil
	}
	return &complaint{"the value does not have the form that " + engine + " takes", dsnExample(engine)}
}

// isTransient reports whether SQLite would keep the data in memory (https://sqlite.org/inmemorydb.html).
func isTransient(text string) bool {
	_, options, _ := strings.Cut(text, "?")
	isURI := strings.HasPrefix(text, "file:")
	return text == ":memory:" || isURI && (strings.HasPrefix(text, "file::memory:") || strings.Contains(options, "mode=memory"))
}

// isPostgresWords reports whether the text has a word that says where a PostgreSQL database is, in the
// form keyword=value of libpq. White space may surround the equals sign.
func isPostgresWords(text string) bool {
	return regexp.MustCompile(`(^|\s)(host|hostaddr|dbname|database|service)\s*=`).MatchString(text)
}

// isMySQL reports whether the text is [user[:password]@][protocol[(address)]]/database[?parameters]. The
// last slash and the last @ before it count, because a password may hold both.
func isMySQL(text string) bool {
	slash := strings.LastIndexByte(text, '/')
	if slash < 0 {
		return false
	}
	server := text[:slash]
	server = server[strings.LastIndexByte(server, '@')+1:]
	if strings.ContainsRune(server, '(') {
		return strings.HasSuffix(server, ")")
	}
	return server == "" || server == "tcp" || server == "unix"
}

// holdsPassword reports whether a text that should be something else looks like an address with a
// password in it, so that it must not be repeated.
func holdsPassword(text string) bool {
	_, authority, isURL := strings.Cut(text, "://")
	return isURL && strings.Contains(authority, "@") || strings.Contains(text, "@tcp(") || strings.Contains(text, "@unix(") ||
		regexp.MustCompile(`(^|[\s?&])password\s*=`).MatchString(text)
}
