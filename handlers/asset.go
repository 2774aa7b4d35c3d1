package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"userapi/middleware"
)

// What whoever caches may do with a file (RFC 9111, section 5.2.2, and RFC 8246).
const (
	cacheAsk     = "no-cache"
	cacheBriefly = "public, max-age=3600"
	cacheForEver = "public, max-age=31536000, immutable"
)

// hashDigits is how much of the hash of a file stands in its name.
const hashDigits = 16

// asset is a file that never changes while the process runs. Its content is not held in memory as it is,
// but compressed, once somebody has asked for that; and it is hashed when it is first asked for. It is safe
// for concurrent use.
type asset struct {
	mediaType string
	open      func() (io.ReadCloser, error)
	codings   map[string]*coded // none for what does not gain by it

	once sync.Once
	etag string
	size int64
	err  error
}

// coded is the content of an asset in one coding.
type coded struct {
	once    sync.Once
	content []byte
	err     error
}

func newAsset(name string, compression bool, open func() (io.ReadCloser, error)) *asset {
	a := &asset{open: open, codings: map[string]*coded{}, mediaType: map[string]string{
		".css":  "text/css; charset=utf-8",
		".html": "text/html; charset=utf-8",
		".js":   "text/javascript; charset=utf-8",
		".json": "application/json; charset=utf-8",
		".png":  "image/png",
	}[path.Ext(name)]}
	if compression && path.Ext(name) != ".png" {
		a.codings = map[string]*coded{middleware.CodingGzip: {}, middleware.CodingZstd: {}}
	}
	return a
}

// serve answers with the file, or says that the client has it already.
func (a *asset) serve(c *gin.Context, caching string) error {
	if a.once.Do(a.measure); a.err != nil {
		return a.err
	}
	header := c.Writer.Header()
	header.Set("Cache-Control", caching)
	header.Set("Etag", a.etag)
	if namesTag(c.GetHeader("If-None-Match"), a.etag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	coding := middleware.Coding(c.Request.Header)
	content, size, err := a.content(coding)
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it was only read
	if a.codings[coding] != nil {
		header.Set("Content-Encoding", coding)
	}
	header.Set("Content-Type", a.mediaType)
	header.Set("Content-Length", strconv.FormatInt(size, 10))
	c.Writer.WriteHeader(http.StatusOK)
	if c.Request.Method != http.MethodHead {
		if _, err := io.Copy(c.Writer, content); err != nil {
			panic(http.ErrAbortHandler) // as in writeJSON
		}
	}
	return nil
}

// content opens the file in a coding, or as it is when it has none of that name.
func (a *asset) content(coding string) (io.ReadCloser, int64, error) {
	code := a.codings[coding]
	if code == nil {
		file, err := a.open()
		return file, a.size, err
	}
	code.once.Do(func() { code.content, code.err = a.encode(coding) })
	return io.NopCloser(bytes.NewReader(code.content)), int64(len(code.content)), code.err
}

// encode compresses the file as well as can be: that happens once.
func (a *asset) encode(coding string) ([]byte, error) {
	file, err := a.open()
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	var out bytes.Buffer
	var to io.WriteCloser
	if coding == middleware.CodingGzip {
		to, err = gzip.NewWriterLevel(&out, gzip.BestCompression)
	} else {
		// The window is what a browser must be able to take (RFC 8878, section 3.1.1.1.2).
		to, err = zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
	}
	if err == nil {
		_, err = io.Copy(to, file)
	}
	if err == nil {
		err = to.Close()
	}
	return bytes.Clone(out.Bytes()), err
}

// hash returns some digits of the hash of the content, or nothing when it cannot be read.
func (a *asset) hash() string {
	if a.once.Do(a.measure); a.err != nil {
		return ""
	}
	return strings.Trim(a.etag, `"`)[:hashDigits]
}

func (a *asset) measure() {
	file, err := a.open()
	if err != nil {
		a.err = err
		return
	}
	defer file.Close() //nolint:errcheck // it was only read
	hash := sha256.New()
	a.size, a.err = io.Copy(hash, file)
	a.etag = `"` + hex.EncodeToString(hash.Sum(nil)[:12]) + `"`
}

// namesTag says whether an If-None-Match header (RFC 9110, section 13.1.2) names the tag, compared
// weakly.
func namesTag(ifNoneMatch, etag string) bool {
	for tag := range strings.SplitSeq(ifNoneMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
