package cache

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Imported says what an import did.
type Imported struct {
	// Stored entries are new here, or newer than what was here.
	Stored int
	// Kept entries were here already, as new or newer.
	Kept int
	// Gone entries were past their stale limit.
	Gone int
	// Bad lines were none of ours; the first of them are in Errors.
	Bad    int
	Errors []LineError
}

// LineError says what is wrong with a line of an import; lines count from 1.
type LineError struct {
	Line int
	Err  error
}

func (e LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e LineError) Unwrap() error { return e.Err }

// maxLineErrors bounds how many bad lines are told in words.
const maxLineErrors = 20

// Import stores what Export wrote, durably. It never replaces an entry by an
// older one. A line that is bad costs that line; the error is the reader's, the
// disk's or the context's, and what was imported until then stays.
func (c *Cache) Import(ctx context.Context, r io.Reader) (sum Imported, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var batch []incoming
	size := 0
	flush := func() error {
		stored, err := c.disk.take(ctx, batch)
		sum.Stored, sum.Kept = sum.Stored+stored, sum.Kept+len(batch)-stored
		batch, size = batch[:0], 0
		return err
	}
	for number := 1; ; number++ {
		raw, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return sum, flush()
		}
		if err != nil {
			return sum, errors.Join(err, flush())
		}
		if raw != nil && len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		k, e, err := decodeLine(raw, c.opts.Now())
		switch {
		case err != nil:
			if sum.Bad++; len(sum.Errors) < maxLineErrors {
				sum.Errors = append(sum.Errors, LineError{number, err})
			}
			continue
		case e.State(c.opts.Now()) == Gone:
			sum.Gone++
			continue
		}
		id := c.disk.codec.id(k)
		in := incoming{id, k, e, c.disk.codec.encode(id, k, e)}
		batch, size = append(batch, in), size+len(in.record)
		if len(batch) >= step || size >= maxBatchBytes {
			if err := flush(); err != nil {
				return sum, err
			}
		}
	}
}

// decodeLine reads and checks one line.
func decodeLine(raw []byte, now time.Time) (Key, *Entry, error) {
	if raw == nil {
		return "", nil, fmt.Errorf("longer than %d bytes", maxLine)
	}
	var l line
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return "", nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return "", nil, errors.New("more than one JSON value")
	}
	body := l.body()
	switch {
	case l.Source == "" || l.Endpoint == "" || l.Value == "":
		return "", nil, errors.New("source, endpoint and value must not be empty")
	case l.Body != nil && l.Base64 != nil:
		return "", nil, errors.New("body and body_base64 are both given")
	case l.Body == nil && l.Base64 == nil:
		return "", nil, errors.New("neither body nor body_base64 is given")
	case len(body) > maxBody:
		return "", nil, fmt.Errorf("the body has %d bytes, at most %d are kept", len(body), maxBody)
	case len(l.Type) > maxContentType:
		return "", nil, fmt.Errorf("the content type has %d bytes, at most %d are kept", len(l.Type), maxContentType)
	case l.Status < 0 || l.Status > 999:
		return "", nil, fmt.Errorf("status %d is no HTTP status", l.Status)
	case l.StoredAt.IsZero() || l.FreshUntil.IsZero():
		return "", nil, errors.New("stored_at and fresh_until must be given")
	case l.StoredAt.After(now.Add(24 * time.Hour)):
		return "", nil, errors.New("stored_at is in the future")
	}
	return NewKey(l.Source, l.Endpoint, l.Value, l.Vary), &Entry{
		Kind: l.Kind, Status: l.Status, Body: body, ContentType: l.Type,
		StoredAt: l.StoredAt, FreshUntil: l.FreshUntil, StaleUntil: l.StaleUntil,
	}, nil
}

// incoming is an entry on its way in.
type incoming struct {
	id     entryID
	key    Key
	entry  *Entry
	record []byte
}

// take stores those of the entries that are newer than what is here.
func (d *disk) take(ctx context.Context, batch []incoming) (stored int, err error) {
	if len(batch) == 0 {
		return 0, nil
	}
	err = d.do(ctx, 0, func(t *txn) error {
		stored = 0
		for _, in := range batch {
			if p, ok := lookIndex(t.tx, in.id); ok {
				_, here, _, err := d.codec.head(in.id, t.answers.Get(p.seqKey()))
				if err == nil && !here.StoredAt.Before(in.entry.StoredAt.Truncate(time.Millisecond)) {
					continue
				}
			}
			stored++
			source, _, _, _ := in.key.Parts()
			t.after = append(t.after, func() { d.memory.changed(in.id) })
			if err := t.store(in.id, source, in.entry.goneAt(), t.hour, in.record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		stored = 0
	}
	return stored, err
}
