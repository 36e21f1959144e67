package cache

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"
)

// line is an entry as one line of JSON. A body that is JSON on one line is
// written as it is, byte for byte; any other in base64.
type line struct {
	Source     string          `json:"source"`
	Endpoint   string          `json:"endpoint"`
	Value      string          `json:"value"`
	Vary       string          `json:"vary,omitempty"`
	Kind       uint8           `json:"kind"`
	Status     int             `json:"status"`
	Type       string          `json:"content_type,omitempty"`
	StoredAt   time.Time       `json:"stored_at"`
	FreshUntil time.Time       `json:"fresh_until"`
	StaleUntil time.Time       `json:"stale_until"`
	Body       json.RawMessage `json:"body,omitempty"`
	Base64     *[]byte         `json:"body_base64,omitempty"`
}

// Export writes what the filter chooses as JSON Lines, one entry a line, and
// says how many there were. What it writes is not encrypted.
func (c *Cache) Export(ctx context.Context, w io.Writer, filter Filter) (n int, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	err = c.Each(ctx, filter, func(it Item) error {
		n++
		b, err := encodeLine(it)
		if err != nil {
			return err
		}
		_, err = out.Write(b)
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	return n, err
}

func encodeLine(it Item) ([]byte, error) {
	l := line{
		Kind: it.Entry.Kind, Status: it.Entry.Status, Type: it.Entry.ContentType,
		StoredAt: it.Entry.StoredAt.UTC(), FreshUntil: it.Entry.FreshUntil.UTC(), StaleUntil: it.Entry.StaleUntil.UTC(),
	}
	l.Source, l.Endpoint, l.Value, l.Vary = it.Key.Parts()
	body := it.Entry.Body
	plain := isOneLine(body)
	if !plain {
		l.Base64 = &body
	}
	b, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	if plain { // by hand, because encoding/json rewrites what it embeds
		b = append(b[:len(b)-1], `,"body":`...)
		b = append(append(b, body...), '}')
	}
	return append(b, '\n'), nil
}

// isOneLine says whether a body can stand in a line of JSON and be read back
// with all its bytes.
func isOneLine(body []byte) bool {
	return len(body) > 0 && utf8.Valid(body) && !bytes.ContainsAny(body, "\r\n") &&
		len(bytes.TrimSpace(body)) == len(body) && json.Valid(body)
}

// maxLine bounds a line of an import: a body of the greatest size in base64.
const maxLine = maxBody/3*4 + 64<<10

// readLine reads one line without its end; io.EOF comes alone. A line that is
// longer than maxLine is read over, and nil.
func readLine(r *bufio.Reader) ([]byte, error) {
	var all []byte
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(all)+len(part) > maxLine; !tooLong {
			all = append(all, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(all) == 0 && !tooLong:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		case tooLong:
			return nil, nil
		}
		return bytes.TrimRight(all, "\r\n"), nil
	}
}

func (l *line) body() []byte {
	if l.Base64 != nil {
		return *l.Base64
	}
	return l.Body
}
