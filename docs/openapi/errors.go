package main

import (
	"bytes"
	"fmt"
	"slices"

	"userapi/handlers/problem"
)

// errorsPage returns the catalogue of problems as Markdown, in the order of their statuses.
func errorsPage(entries []problem.Entry) []byte {
	slices.SortStableFunc(entries, func(a, b problem.Entry) int { return a.Status - b.Status })
	var page bytes.Buffer
	page.WriteString(`# Errors

Every failure is answered with ` + "`" + problem.ContentType + "`" + ` (RFC 9457). The member ` + "`code`" + ` is one of the words
below, and ` + "`type`" + ` is the path of a page, ` + "`/problems/{code}`" + ` with hyphens, on which the service says the same.

<!-- Generated from handlers/problem by go generate; do not edit. -->

| status | code | what it says |
| ---: | --- | --- |
`)
	for _, e := range entries {
		fmt.Fprintf(&page, "| %d | [`%s`](#%s) | %s |\n", e.Status, e.Code, e.Code, e.Title)
	}
	for _, e := range entries {
		fmt.Fprintf(&page, "\n## %s\n\n**%d: %s.** %s\n\n*To mend it:* %s\n", e.Code, e.Status, e.Title, e.Meaning, e.Mend)
	}
	page.WriteString("\n## Codes of faults\n\nThe member `errors` of a 422 lists every fault with its place and one of these codes.\n\n| code | what it says |\n| --- | --- |\n")
	for _, f := range problem.Faults() {
		fmt.Fprintf(&page, "| `%s` | %s |\n", f.Code, f.Meaning)
	}
	return page.Bytes()
}
