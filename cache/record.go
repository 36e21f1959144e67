package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A record on disk: the entry's id in clear, then under a checksum or a seal
// that takes the id in: a version byte, the kind, the whole key, varints (status,
// three times in unix milliseconds), the content type, and the body in zstd. What
// has a length stands behind it.
const recordVersion = 3

// maxBody bounds an answer, and what a damaged length may make us allocate.
const (
	maxBody        = 64 << 20
	maxContentType = 1 << 10
)

var errRecord = errors.New("record is damaged")

// codec turns entries into records and back; safe for concurrent use.
type codec struct {
	guard
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec(g guard) (*codec, error) {
	// The guard's checksum stands for zstd's own.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(min(4, runtime.GOMAXPROCS(0))),
		zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBody))
	if err != nil {
		return nil, err
	}
	return &codec{g, enc, dec}, nil
}

func (c *codec) close() error {
	c.dec.Close()
	return c.enc.Close()
}

func (c *codec) encode(id entryID, k Key, e *Entry) []byte {
	b := make([]byte, 0, 64+len(k)+len(e.Body)/2)
	b = append(b, recordVersion, e.Kind)
	b = appendNumbers(appendText(b, string(k)), e)
	b = appendText(b, e.ContentType)
	return append(id[:], c.protect(id, c.enc.EncodeAll(e.Body, b))...)
}

// decode copies; nothing of the record is kept.
func (c *codec) decode(id entryID, record []byte) (Key, *Entry, error) {
	k, e, body, err := c.head(id, record)
	if err != nil {
		return "", nil, err
	}
	if e.Body, err = c.dec.DecodeAll(body, nil); err != nil {
		return "", nil, fmt.Errorf("%w: %v", errRecord, err)
	}
	return k, e, nil
}

// head is decode without the body, which stays compressed.
func (c *codec) head(id entryID, record []byte) (Key, *Entry, []byte, error) {
	if len(record) < len(id) || entryID(record[:len(id)]) != id {
		return "", nil, nil, errRecord
	}
	b, err := c.unprotect(id, record[len(id):])
	if err != nil {
		return "", nil, nil, err
	}
	return parse(b)
}

// parse reads a record's inside.
func parse(b []byte) (Key, *Entry, []byte, error) {
	if len(b) < 2 || b[0] != recordVersion {
		return "", nil, nil, errRecord
	}
	e := &Entry{Kind: b[1]}
	k, b, err1 := parseText(b[2:])
	b, err2 := parseNumbers(e, b)
	contentType, b, err3 := parseText(b)
	e.ContentType = contentType
	return Key(k), e, b, errors.Join(err1, err2, err3)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func parseText(b []byte) (text string, rest []byte, err error) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return "", nil, errRecord
	}
	return string(b[n:][:length]), b[n:][length:], nil
}

func appendNumbers(b []byte, e *Entry) []byte {
	b = binary.AppendVarint(b, int64(e.Status))
	for _, t := range []time.Time{e.StoredAt, e.FreshUntil, e.StaleUntil} {
		b = binary.AppendVarint(b, t.UnixMilli())
	}
	return b
}

// parseNumbers reads status and times, and returns the rest.
func parseNumbers(e *Entry, b []byte) ([]byte, error) {
	var nums [4]int64
	for i := range nums {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, errRecord
		}
		nums[i], b = v, b[n:]
	}
	e.Status = int(nums[0])
	e.StoredAt, e.FreshUntil, e.StaleUntil = time.UnixMilli(nums[1]), time.UnixMilli(nums[2]), time.UnixMilli(nums[3])
	return b, nil
}
