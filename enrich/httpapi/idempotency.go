package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// onceTimeout bounds a request that goes on although its client has gone.
const onceTimeout = 30 * time.Minute

// once answers a request that spends, by do. With an Idempotency-Key it does so
// once: a repetition is told what the first was told. Such a request goes on
// when its client goes away, for the one who will ask again.
func (a *API) once(w http.ResponseWriter, r *http.Request, s asking, body []byte, do func(w http.ResponseWriter, ctx context.Context, since time.Time)) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		do(w, r.Context(), time.Time{})
		return
	}
	if why := badKey(key); why != "" || a.cfg.Repeats == nil {
		if a.cfg.Repeats == nil {
			why = "Idempotency-Key is not offered here"
		}
		Problem(w, Details{Status: http.StatusBadRequest, Type: typeInvalid, Title: why})
		return
	}
	id := repeatID(digest(cmp.Or(s.who.owner, s.who.name), key))
	how := fmt.Sprint(s.request.Cache, s.request.Patience)
	before, since, err := a.cfg.Repeats.begin(id, digest(r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), r.Header.Get("Accept"), how, string(body)))
	if err != nil {
		Problem(w, repeatProblem(err))
		return
	}
	if before != nil {
		maps.Copy(w.Header(), before.header)
		w.Header().Set("Idempotency-Replayed", "true")
		w.Header().Set("X-Enrichgate-Units", "0")
		w.WriteHeader(before.status)
		_, _ = w.Write(before.body) // the client may be gone
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), onceTimeout)
	defer cancel()
	kept := newKeeper(w)
	var answer *repeat
	defer func() { // also when do panics
		if err := a.cfg.Repeats.end(id, answer); err != nil {
			a.cfg.Log.Error("an answer could not be kept for its Idempotency-Key", "error", err)
		}
	}()
	do(kept, ctx, since)
	if ctx.Err() == nil {
		answer = kept.answer()
	}
}

// badKey says what is wrong with a key.
func badKey(key string) string {
	const longest = 255
	if len(key) > longest || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "Idempotency-Key: up to 255 printable ASCII characters"
	}
	return ""
}

// digest hashes parts so that no two lists of parts share a hash.
func digest(parts ...string) [32]byte {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return [32]byte(h.Sum(nil))
}

func repeatProblem(err error) Details {
	switch {
	case errors.Is(err, errKeyReused):
		return Details{Status: http.StatusUnprocessableEntity, Type: typeKeyReused, Title: err.Error()}
	case errors.Is(err, errKeyInUse):
		return Details{Status: http.StatusConflict, Type: typeKeyInUse, Title: err.Error(), RetryAfter: 1}
	case errors.Is(err, errNotKept):
		return Details{Status: http.StatusConflict, Type: typeKeyTooLarge, Title: err.Error()}
	}
	return Details{Status: http.StatusInternalServerError, Type: typeInternal, Title: "nothing was looked up", Detail: err.Error()}
}

// keeper passes an answer on and keeps a copy, packed.
type keeper struct {
	http.ResponseWriter
	status int
	packed bytes.Buffer
	packer *zstd.Encoder
	lost   bool
}

func newKeeper(w http.ResponseWriter) *keeper {
	k := &keeper{ResponseWriter: w}
	packer, err := zstd.NewWriter(&k.packed, zstd.WithEncoderConcurrency(1))
	k.packer, k.lost = packer, err != nil
	return k
}

// WriteHeader notes the status.
func (k *keeper) WriteHeader(status int) {
	k.status = status
	k.ResponseWriter.WriteHeader(status)
}

// Write keeps what it passes on. That the client has gone is no error here.
func (k *keeper) Write(b []byte) (int, error) {
	if k.status == 0 {
		k.status = http.StatusOK
	}
	if !k.lost {
		_, err := k.packer.Write(b)
		k.lost = err != nil || k.packed.Len() > mostAnswer
	}
	_, _ = k.ResponseWriter.Write(b)
	return len(b), nil
}

// Unwrap lets http.ResponseController flush.
func (k *keeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// answer is what was written, for another time.
func (k *keeper) answer() *repeat {
	if !k.lost {
		k.lost = k.packer.Close() != nil || k.packed.Len() > mostAnswer
	}
	if k.lost {
		return &repeat{state: repeatLost}
	}
	header := http.Header{}
	for _, name := range []string{"Content-Type", "Cache-Control", "Vary", "Preference-Applied"} {
		if v := k.Header().Get(name); v != "" {
			header.Set(name, v)
		}
	}
	return &repeat{state: repeatDone, status: k.status, header: header, body: k.packed.Bytes()}
}
