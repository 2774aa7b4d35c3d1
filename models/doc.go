// Package models is the domain: what a user is, what a client may set and ask, and how the service
// says no.
//
// It owns the normal forms of names and e-mail addresses, the JSON form of a user, and the errors
// that every other package speaks in. It refuses knowledge of HTTP, SQL and configuration: it
// imports the standard library and small text packages only, and nothing of ours. Every other
// package uses it.
//
// The words: a *user* is a stored record. An *input* is what a client may set. A *key* is the form
// of an address under which two addresses are the same. A *fault* is one thing wrong with a
// request; an *error* is what one request fails with and may list many faults.
package models
