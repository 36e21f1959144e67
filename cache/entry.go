package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Key identifies an answer: everything that changes what the provider says.
type Key string

// NewKey builds a key. Vary holds the parameters, plan or account that change
// the answer, in any fixed form.
func NewKey(source, endpoint, value, vary string) Key {
	return Key(source + sep + endpoint + sep + value + sep + vary)
}

// sep cannot occur in a source, an endpoint or a normalized value.
const sep = "\x00"

// Parts takes a key apart again.
func (k Key) Parts() (source, endpoint, value, vary string) {
	p := append(strings.SplitN(string(k), sep, 4), "", "", "", "")
	return p[0], p[1], p[2], p[3]
}

// Entry is one stored answer. Its fields are never changed after Put: it is
// shared between callers.
type Entry struct {
	// Kind is the caller's own class of the answer; the cache only keeps it.
	Kind uint8
	// Status is the provider's HTTP status.
	Status int
	// Body is the provider's bytes, ContentType what it called them.
	Body        []byte
	ContentType string
	// StoredAt is when the provider gave it, FreshUntil and StaleUntil when it ages.
	StoredAt, FreshUntil, StaleUntil time.Time
}

// State is an entry's age against its TTL.
type State uint8

const (
	// Gone: not there, or too old for anything.
	Gone State = iota
	// Fresh: as good as a new call.
	Fresh
	// Stale: better than nothing, and marked so.
	Stale
)

// String names the state: "fresh".
func (s State) String() string { return [...]string{"gone", "fresh", "stale"}[s] }

// state is pure: entry and time in, state out.
func (e *Entry) state(now time.Time) State {
	switch {
	case now.Before(e.FreshUntil):
		return Fresh
	case now.Before(e.StaleUntil):
		return Stale
	default:
		return Gone
	}
}

// goneAt is when the entry may be swept.
func (e *Entry) goneAt() time.Time {
	if e.StaleUntil.After(e.FreshUntil) {
		return e.StaleUntil
	}
	return e.FreshUntil
}

// An entry on disk, inside a checksummed record: a version byte, kind, then
// varints (status, three times in unix milliseconds), since version 2 the
// content type behind its length, then the body in zstd.
const (
	entryVersion  = 2
	oldestVersion = 1
)

// codec holds the two zstd coders; both are safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// maxBody bounds what a damaged length may make us allocate.
const maxBody = 64 << 20

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBody))
	if err != nil {
		return nil, err
	}
	return &codec{enc, dec}, nil
}

func (c *codec) encode(e *Entry) []byte {
	b := make([]byte, 0, 64+len(e.Body)/2)
	b = append(b, entryVersion, e.Kind)
	b = binary.AppendVarint(b, int64(e.Status))
	for _, t := range []time.Time{e.StoredAt, e.FreshUntil, e.StaleUntil} {
		b = binary.AppendVarint(b, t.UnixMilli())
	}
	b = binary.AppendUvarint(b, uint64(len(e.ContentType)))
	b = append(b, e.ContentType...)
	return c.enc.EncodeAll(e.Body, b)
}

var errEntry = errors.New("entry is damaged")

func (c *codec) decode(b []byte) (*Entry, error) {
	if len(b) < 2 || b[0] < oldestVersion || b[0] > entryVersion {
		return nil, errEntry
	}
	e, version := &Entry{Kind: b[1]}, b[0]
	b = b[2:]
	var nums [4]int64
	for i := range nums {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, errEntry
		}
		nums[i], b = v, b[n:]
	}
	e.Status = int(nums[0])
	e.StoredAt, e.FreshUntil, e.StaleUntil = time.UnixMilli(nums[1]), time.UnixMilli(nums[2]), time.UnixMilli(nums[3])
	if version > 1 {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return nil, errEntry
		}
		b = b[n:]
		e.ContentType, b = string(b[:length]), b[length:]
	}
	body, err := c.dec.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errEntry, err)
	}
	e.Body = body
	return e, nil
}
