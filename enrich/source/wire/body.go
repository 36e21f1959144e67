package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// How a body that arrived can be unusable before anybody looks into it.
var (
	errTooLarge = errors.New("the answer is too large")
	errNotGzip  = errors.New("the answer is not compressed as it says")
)

// readBody reads at most limit bytes off the wire and makes at most limit bytes
// of them, so that neither a long answer nor a small bomb costs memory or time.
// How long it may take is bounded by the request's context.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	packed, err := readUpTo(resp.Body, limit)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
	default:
		return packed, nil // an unasked-for encoding is no JSON and fails there
	}
	if len(packed) == 0 {
		return packed, nil
	}
	unpacker, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errNotGzip
	}
	body, err := readUpTo(unpacker, limit)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, errNotGzip
	}
	return body, err
}

// readUpTo reads all of r, or fails if that is more than limit bytes.
func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	return data, err
}
