package cached

import (
	"context"
	"errors"
	"time"

	"userapi/models"
)

// level is a place where users are kept between reads, by the protocol that the package describes.
type level interface {
	// get looks a user up. Nothing is said of how long an answer other than hit remains true.
	get(ctx context.Context, id int64) (models.User, finding)
	// reserve takes a missing entry in order to fill it. When it is not missing, it says what it is.
	reserve(ctx context.Context, id int64) (reservation, models.User, finding)
	// fill keeps a user who was read from the store after reserve, if the reservation still stands.
	fill(ctx context.Context, r reservation, user models.User)
	// forgo gives a reservation up.
	forgo(ctx context.Context, r reservation)

	// block keeps all entries of these users from being served and filled, on every instance, until the
	// block is lifted. It gives errUnblocked when it cannot make sure of that, which assure mends.
	block(ctx context.Context, ids []int64) (block, error)
	// assure makes the next block succeed. It may take as long as a lease. Its errors are those of the
	// store.
	assure(ctx context.Context) error
	// lift ends the blocks of one write. An error means that the write must not be acknowledged.
	lift(ctx context.Context, blocks []block, outcome outcome) error

	// hint returns the id of who may have the address, or 0; suggest keeps one for hint.
	hint(ctx context.Context, emailKey string) int64
	suggest(ctx context.Context, emailKey string, id int64)

	close()
}

// finding is what a level knows of a user.
type finding uint8

const (
	missing finding = iota
	hit
	// blocked is an entry that somebody is writing, or loading elsewhere.
	blocked
	// away is any entry when the level cannot be asked, or not be believed.
	away
)

// outcome is what came of a write.
type outcome uint8

const (
	done outcome = iota
	// refused is a write that for sure had no effect.
	refused
	// unknown is a write that may still take effect: its blocks stay until they expire.
	unknown
)

// reservation is a missing entry that somebody fills.
type reservation struct {
	id    int64
	token token
	lease *lease // of the shared level
}

// block is what a write has blocked. A zero token means that nobody uses the cache, so that nothing had
// to be blocked.
type block struct {
	ids   []int64
	token token
	lease *lease
	at    time.Time // when it was granted
}

// token is different for each reservation and block of all instances.
type token [16]byte

// errUnblocked is between this package and itself: a write has to be begun again after assure.
var errUnblocked = errors.New("cached: entries could not be blocked")
