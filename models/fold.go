package models

import (
	"strings"
	"unicode/utf8"
)

// CompareFolded compares FoldName(a) with FoldName(b), octet by octet, which is the order of their
// code points. It makes neither of them as long as both are ASCII.
func CompareFolded(a, b string) int {
	const step = 8
	i, end := 0, min(len(a), len(b))
	for i+step <= end && a[i:i+step] == b[i:i+step] {
		i += step
	}
	for ; i < end; i++ {
		x, y := a[i], b[i]
		if x >= utf8.RuneSelf || y >= utf8.RuneSelf {
			for i > 0 && (!utf8.RuneStart(a[i]) || !utf8.RuneStart(b[i])) { // before it they are the same
				i--
			}
			return strings.Compare(FoldName(a[i:]), FoldName(b[i:])) // folding looks at no neighbours
		}
		if x, y = lower(x), lower(y); x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return len(a) - len(b)
}

// containsFolded says whether part, which is folded, is in FoldName(s).
func containsFolded(s, part string) bool {
	if part == "" || !isASCII(s) {
		return strings.Contains(FoldName(s), part)
	}
	first := part[0]
	for i := 0; i+len(part) <= len(s); i++ {
		if lower(s[i]) == first && hasPrefixFolded(s[i:], part) {
			return true
		}
	}
	return false
}

// hasPrefixFolded is strings.HasPrefix for an ASCII text s, not folded, that is not shorter.
func hasPrefixFolded(s, prefix string) bool {
	for i := 1; i < len(prefix); i++ {
		if lower(s[i]) != prefix[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
