package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// timeFormat is the client's: UTC with microseconds.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// errorKey is the attribute whose text becomes "exc_info".
const errorKey = "error"

// Handler is a slog.Handler. It and those derived from it share one writer and
// one set of secrets.
type Handler struct {
	name  string
	level slog.Leveler
	json  bool

	secrets *redactor
	mu      *sync.Mutex // guards w; one Write a line
	w       io.Writer
	buffers *sync.Pool // of *[]byte

	// What With and WithGroup have collected.
	attrs   []byte   // attributes, formatted, with opened groups left open
	opened  int      // groups open in attrs
	pending []string // groups that no attribute has opened yet
	prefix  string   // "group." for text
	exc     string   // text of a top-level "error" given to With
	grouped bool     // inside a group, where "error" is no longer top-level
}

// NewHandler returns a handler that writes to w.
func NewHandler(w io.Writer, o Options) *Handler {
	h := &Handler{
		level: o.Level, json: o.JSON,
		secrets: new(redactor), mu: new(sync.Mutex), w: w,
		buffers: &sync.Pool{New: func() any { return new([]byte) }},
	}
	if h.level == nil {
		h.level = slog.LevelInfo
	}
	h.secrets.add(o.Secrets...)
	h.name = h.secrets.clean(o.Name)
	return h
}

// AddSecret makes the handler, and all that share its writer, replace one more
// value from the next line on: a password that came with the registration.
// Attributes that With has already taken are not looked through again.
func (h *Handler) AddSecret(secret string) { h.secrets.add(secret) }

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	e := c.encoder(slices.Clone(h.attrs))
	if !h.grouped {
		c.exc = h.findError(attrs, h.exc)
	}
	if !e.open(c.pending, func() { e.attrs(attrs) }) {
		return h
	}
	c.attrs = e.buf
	c.opened += len(c.pending)
	c.pending = nil
	return &c
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	name = h.secrets.clean(name)
	c.pending = append(slices.Clone(h.pending), name)
	c.prefix += name + "."
	c.grouped = true
	return &c
}

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	b := h.buffers.Get().(*[]byte)
	e := h.encoder((*b)[:0])
	if h.json {
		h.jsonLine(e, r)
	} else {
		h.textLine(e, r)
	}
	e.buf = append(e.buf, '\n')

	h.mu.Lock()
	_, err := h.w.Write(e.buf)
	h.mu.Unlock()

	const keep = 16 << 10 // a rare huge line must not stay in memory
	if cap(e.buf) <= keep {
		*b = e.buf
		h.buffers.Put(b)
	}
	return err
}

// encoder returns one that appends to buf.
func (h *Handler) encoder(buf []byte) *encoder {
	return &encoder{buf: buf, json: h.json, prefix: h.prefix, secrets: h.secrets}
}

func (h *Handler) jsonLine(e *encoder, r slog.Record) {
	e.buf = append(e.buf, '{')
	if !r.Time.IsZero() {
		e.raw(`"timestamp": "`)
		e.buf = r.Time.UTC().AppendFormat(e.buf, timeFormat)
		e.raw(`", `)
	}
	e.raw(`"level": "`)
	e.raw(levelName(r.Level))
	e.raw(`", "name": `)
	e.quote(h.name)
	e.raw(`, "message": `)
	e.quote(h.secrets.clean(r.Message))
	if r.Level >= slog.LevelError {
		e.raw(`, "exc_info": `)
		e.quote(h.excInfo(r))
	}
	start := len(e.buf)
	e.raw(`, "attributes": {`)
	if !h.recordAttrs(e, r) && len(h.attrs) == 0 {
		e.buf = e.buf[:start]
	} else {
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, '}')
}

func (h *Handler) textLine(e *encoder, r slog.Record) {
	e.raw(levelName(r.Level))
	e.buf = append(e.buf, ':')
	e.buf = appendPlain(e.buf, h.name)
	e.buf = append(e.buf, ':')
	e.buf = appendPlain(e.buf, h.secrets.clean(r.Message))
	h.recordAttrs(e, r)
}

// recordAttrs appends what With collected and then the record's own, and says
// whether the record had any.
func (h *Handler) recordAttrs(e *encoder, r slog.Record) bool {
	e.buf = append(e.buf, h.attrs...)
	wrote := e.open(h.pending, func() {
		r.Attrs(func(a slog.Attr) bool { e.attr(a); return true })
	})
	if h.json {
		n := h.opened
		if wrote {
			n += len(h.pending)
		}
		for range n {
			e.buf = append(e.buf, '}')
		}
	}
	return wrote
}

// excInfo is the text of the record's error, or of the one given to With, or
// what Python prints when there is none.
func (h *Handler) excInfo(r slog.Record) string {
	exc := h.exc
	if !h.grouped {
		r.Attrs(func(a slog.Attr) bool {
			exc = h.findError([]slog.Attr{a}, exc)
			return true
		})
	}
	if exc == "" {
		return "NoneType: None"
	}
	return exc
}

// findError returns the text of the last "error" in attrs, else def.
func (h *Handler) findError(attrs []slog.Attr, def string) string {
	for _, a := range attrs {
		if a.Key != errorKey {
			continue
		}
		if s := strings.TrimSpace(h.secrets.clean(valueText(a.Value.Resolve()))); s != "" {
			def = s
		}
	}
	return def
}
