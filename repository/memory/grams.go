package memory

import (
	"math/bits"

	"userapi/models"
)

// The shape of the index of substrings.
const (
	// blockSize is how many ids share a column, and chunkBlocks how many columns share a chunk.
	blockSize   = 32
	chunkBlocks = 64
	chunkSize   = blockSize * chunkBlocks

	oneRows    = 1 << 6
	twoRows    = oneRows * oneRows
	threeRows  = 1 << 13
	gramRows   = oneRows + twoRows + threeRows
	mostProbes = 48
)

// grams finds the users in whose name or address a text may be. It is a table of bits: a column for
// each block of 32 ids, a row for what one, two or three octets in a row hash to, and a bit where a
// text of the block has such octets. The blocks that have them all are those where the columns have
// a bit in every row of the text that is looked for (a signature file, sliced by bits: Faloutsos
// and Christodoulakis 1984). That is a few words of memory for two thousand users, and costs them
// 48 octets each. A block may be named in vain, as one bit stands for many texts, but never missed.
//
// A chunk is made anew when as many of its users have changed as it has places, which is the only
// way in which bits go.
type grams struct {
	chunks []*chunk
}

type chunk struct {
	rows [gramRows]uint64
	// live is the number of users, stale that of the changes that may have left bits behind.
	live, stale int
}

// add notes a user of the ledger.
func (g *grams) add(user *models.User) {
	number := int((user.ID - 1) / chunkSize)
	for number >= len(g.chunks) {
		g.chunks = append(g.chunks, nil)
	}
	if g.chunks[number] == nil {
		g.chunks[number] = new(chunk)
	}
	c := g.chunks[number]
	c.live++
	c.mark(user)
}

// replace notes that a user has become another. The ledger has it already.
func (g *grams) replace(old, changed *models.User, users *ledger) {
	if old.Name == changed.Name && old.Email == changed.Email {
		return
	}
	number := (changed.ID - 1) / chunkSize
	g.chunks[number].mark(changed)
	g.wear(number, users)
}

// drop notes that a user is gone. The ledger has let go of it already.
func (g *grams) drop(id int64, users *ledger) {
	number := (id - 1) / chunkSize
	c := g.chunks[number]
	if c.live--; c.live == 0 {
		g.chunks[number] = nil
		return
	}
	g.wear(number, users)
}

// wear counts a change that left bits behind, and makes the chunk anew when there were many.
func (g *grams) wear(number int64, users *ledger) {
	c := g.chunks[number]
	if c.stale++; c.stale < chunkSize {
		return
	}
	clear(c.rows[:])
	c.stale = 0
	last := (number + 1) * chunkSize
	users.visit(number*chunkSize+1, func(user *models.User) bool {
		if user.ID <= last {
			c.mark(user)
		}
		return user.ID < last
	})
}

// mark sets the bits of a user.
func (c *chunk) mark(user *models.User) {
	bit := uint64(1) << ((user.ID - 1) % chunkSize / blockSize)
	c.markText(models.FoldName(user.Name), bit)
	c.markText(models.FoldName(user.Email), bit)
}

// markText sets the bit in the rows of a folded text. It looks up the kinds of its octets once.
func (c *chunk) markText(text string, bit uint64) {
	before, three := 0, uint64(0)
	for i := range len(text) {
		kind := class(text[i])
		three = three<<8&0xffffff | uint64(text[i])
		c.rows[kind] |= bit
		if i > 0 {
			c.rows[oneRows+before*oneRows+kind] |= bit
		}
		if i > 1 {
			first, second := rowsOfThree(three)
			c.rows[first] |= bit
			c.rows[second] |= bit
		}
		before = kind
	}
}

// class is one of 64 kinds of octets. Those that addresses have each are one of their own.
func class(c byte) int {
	switch {
	case 'a' <= c && c <= 'z':
		return int(c - 'a')
	case '0' <= c && c <= '9':
		return 26 + int(c-'0')
	case c == '@':
		return 36
	case c == '.':
		return 37
	case c == ' ':
		return 38
	case c == '-':
		return 39
	case c == '_':
		return 40
	case c == '+':
		return 41
	}
	return 42 + int(c)%22
}

func rowOfTwo(text string) int { return oneRows + class(text[0])*oneRows + class(text[1]) }

// rowsOfThree returns the rows of three octets, the first of them in the highest place.
func rowsOfThree(three uint64) (first, second int) {
	const width = 13
	mixed := three * 0x9e3779b97f4a7c15 // Fibonacci hashing: the high bits are well mixed
	first = int(mixed >> (64 - width))
	second = int(mixed >> (64 - 2*width) & (threeRows - 1))
	return oneRows + twoRows + first, oneRows + twoRows + second
}

// needle is the rows in which a block has a bit if it may hold a text.
type needle []int

// needleOf returns the rows of a folded text.
func needleOf(text string) needle {
	switch len(text) {
	case 1:
		return needle{class(text[0])}
	case 2:
		return needle{rowOfTwo(text)}
	}
	rows := make(needle, 0, mostProbes)
	for i := 0; i+2 < len(text) && len(rows)+2 < mostProbes; i++ {
		first, second := rowsOfThree(uint64(text[i])<<16 | uint64(text[i+1])<<8 | uint64(text[i+2]))
		rows = append(rows, first, second, rowOfTwo(text[i:]))
	}
	return rows
}

// candidates returns the columns of a chunk that may hold the needle, as bits.
func (g *grams) candidates(number int64, rows needle) uint64 {
	c := g.chunks[number]
	if c == nil {
		return 0
	}
	columns := ^uint64(0)
	for _, row := range rows {
		if columns &= c.rows[row]; columns == 0 {
			break
		}
	}
	return columns
}

// next returns the first and the last id of what is left, from an id on, of the first block that may
// hold the needle, or a negative number.
func (g *grams) next(from int64, rows needle) (first, last int64) {
	start := from - 1
	for number := start / chunkSize; number < int64(len(g.chunks)); number++ {
		columns := g.candidates(number, rows)
		base := number * chunkSize
		if base < start {
			columns &= ^uint64(0) << ((start - base) / blockSize)
		}
		if columns != 0 {
			first = base + int64(bits.TrailingZeros64(columns))*blockSize + 1
			return max(first, from), first + blockSize - 1
		}
	}
	return -1, -1
}

// previous is next from an id down.
func (g *grams) previous(from int64, rows needle) (first, last int64) {
	start := from - 1
	for number := start / chunkSize; number >= 0; number-- {
		columns := g.candidates(number, rows)
		base := number * chunkSize
		if start < base+chunkSize {
			columns &= ^uint64(0) >> (chunkBlocks - 1 - (start-base)/blockSize)
		}
		if columns != 0 {
			first = base + int64(bits.Len64(columns)-1)*blockSize + 1
			return first, min(first+blockSize-1, from)
		}
	}
	return -1, -1
}

// blocks returns the first ids of all blocks that may hold the needle.
func (g *grams) blocks(rows needle) []int64 {
	starts := []int64{}
	for number := range int64(len(g.chunks)) {
		for columns := g.candidates(number, rows); columns != 0; columns &= columns - 1 {
			starts = append(starts, number*chunkSize+int64(bits.TrailingZeros64(columns))*blockSize+1)
		}
	}
	return starts
}

// count returns how many blocks may hold the needle.
func (g *grams) count(rows needle) int64 {
	var sum int64
	for number := range int64(len(g.chunks)) {
		sum += int64(bits.OnesCount64(g.candidates(number, rows)))
	}
	return sum
}
