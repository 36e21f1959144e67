package wire

import (
	"bytes"
	"io"
)

// Payload is the body of a lookup that is made by POST. It cannot be had a
// second time, so that net/http never sends it twice.
func Payload(data []byte) io.ReadCloser { return payload{bytes.NewReader(data)} }

// payload hides the reader's type, from which net/http would learn to repeat it.
type payload struct{ r *bytes.Reader }

// Read gives the next bytes.
func (p payload) Read(to []byte) (int, error) { return p.r.Read(to) }

// Close does nothing.
func (payload) Close() error { return nil }
