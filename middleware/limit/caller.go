package limit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"strconv"

	"github.com/gin-gonic/gin"

	"userapi/models"
)

// caller is whose budget a request is charged to: a principal, or who has no name and is known by where
// he comes from.
type caller struct {
	principal *models.Principal // nil for somebody without a name
	address   netip.Addr
	// failing is the budget of those at an address who could not say who they are. It is one of its own:
	// so that nobody can use up by it what others there may do.
	failing bool
}

// callerOf returns who sent a request.
func callerOf(ctx context.Context, c *gin.Context) caller {
	if principal := models.PrincipalOf(ctx); principal != nil && principal.Name != "" {
		return caller{principal: principal}
	}
	return caller{address: network(addressOf(c))}
}

// addressOf returns the address of the client behind trusted proxies; it is not valid when there is
// none, as on a socket of Unix. Without a header that names another it is the peer's, which gin would
// take apart, parse and print.
func addressOf(c *gin.Context) netip.Addr {
	if c.Request.Header["X-Forwarded-For"] == nil {
		peer, _ := netip.ParseAddrPort(c.Request.RemoteAddr)
		return peer.Addr()
	}
	address, _ := netip.ParseAddr(c.ClientIP())
	return address
}

// network returns what one client has of addresses: one of IPv4, also if it is written as one of IPv6,
// and 64 bits of IPv6, since that is the least that a network is given and any host of it can take all
// the rest.
func network(address netip.Addr) netip.Addr {
	const ipv6Bits = 64
	address = address.Unmap()
	if address.Is4() {
		return address
	}
	masked, _ := address.Prefix(ipv6Bits) // which also drops the zone
	return masked.Addr()
}

// key is a caller in the table of this process.
type key struct{ a, b uint64 }

// key returns an address as it is, and a hash of a name: of 126 bits and with a seed of this process, so
// that no two names can be found that have the same.
func (c caller) key(seeds *[2]maphash.Seed) key {
	if c.principal == nil {
		octets := c.address.As16() // zero if not valid
		var k key
		for i := range 8 {
			k.b = k.b<<8 | uint64(octets[i])
		}
		if c.address.Is4() {
			k.a |= 1
			k.b = uint64(octets[12])<<24 | uint64(octets[13])<<16 | uint64(octets[14])<<8 | uint64(octets[15])
		}
		if c.failing {
			k.a |= 2
		}
		return k
	}
	const named = 1 << 63
	return key{hashOf(seeds[0], c.principal) | named, hashOf(seeds[1], c.principal)}
}

func hashOf(seed maphash.Seed, principal *models.Principal) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.WriteString(principal.Method) // never fails
	_ = h.WriteByte(0)
	_, _ = h.WriteString(principal.Name)
	return h.Sum64()
}

// name returns the caller as others may see him who can read the keys of Redis: by a hash that only those
// can make who have the secret.
func (c caller) name(secret []byte, budget int) string {
	sum := hmac.New(sha256.New, secret)
	if c.principal != nil {
		_, _ = sum.Write([]byte("principal\x00" + c.principal.Method + "\x00" + c.principal.Name)) // never fails
	} else {
		_, _ = sum.Write([]byte("address\x00" + c.address.String()))
	}
	const octets = 16
	return strconv.Itoa(budget) + ":" + hex.EncodeToString(sum.Sum(nil)[:octets])
}
