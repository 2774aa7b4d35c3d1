package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns the candidate that looks most like what somebody wrote, and whether it looks alike
// enough to be what was meant. Case and the kind of separator do not count, the last part of a dotted
// key stands for the whole (addr means http.addr), and so does a good beginning (http.max_body).
func nearest(written string, candidates []string) (best string, alike bool) {
	written = folded(written)
	least, tolerance := -1, max(1, len(written)/4)
	for _, candidate := range candidates {
		whole := folded(candidate)
		d := levenshtein.ComputeDistance(written, whole)
		if _, last, ok := strings.Cut(whole, "."); ok {
			d = min(d, levenshtein.ComputeDistance(written, last))
		}
		if continues(whole, written) || continues(written, whole) {
			d = min(d, tolerance)
		}
		if least < 0 || d < least {
			best, least = candidate, d
		}
	}
	return best, least >= 0 && least <= tolerance
}

// continues reports whether long goes on where short ends; the name of a section alone says too little.
func continues(long, short string) bool {
	enough := len(short) >= 3 && strings.Contains(short, ".") == strings.Contains(long, ".")
	return enough && strings.HasPrefix(long, short)
}

func folded(name string) string {
	const longest = 64 // no name of ours is longer, and the work grows with the square
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	return name[:min(len(name), longest)]
}
