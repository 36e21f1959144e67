package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile"
	"github.com/enrichgate/enrichgate/enrich"
)

// Routes are all operations, as "GET /api/v1/quota".
func Routes() []string {
	var all []string
	for _, r := range (&API{}).routes() {
		all = append(all, r.method+" "+r.path)
	}
	return all
}

// Names are the operations by their route.
func Names() map[string]string {
	all := map[string]string{}
	for _, r := range (&API{}).routes() {
		all[r.method+" "+r.path] = r.name
	}
	return all
}

// PatientWriter gives each write of an answer its own deadline.
func PatientWriter(w http.ResponseWriter) http.ResponseWriter {
	return &patientWriter{ResponseWriter: w}
}

// WritePatience is that deadline.
const WritePatience = writePatience

// Known is how many keys are remembered.
func Known(r *Repeats) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.known)
}

// RepeatSeeds are records as they stand on disk.
func RepeatSeeds() [][]byte {
	done := repeat{state: repeatDone, begun: time.Unix(1, 0).UTC(), status: 200, header: map[string][]string{"Vary": {"Accept"}}, body: []byte{0, 1, 2}}
	begun := repeat{state: repeatBegun, begun: time.Unix(1, 0).UTC()}
	return [][]byte{done.encode(), begun.encode(), {0}, nil}
}

// CheckRepeat reads a record; one that can be read is written the same again.
func CheckRepeat(record []byte) error {
	key := []byte("key")
	r, err := decodeRepeat(key, boltfile.Protect(key, record))
	if err != nil {
		return nil
	}
	again, err := decodeRepeat(key, boltfile.Protect(key, r.encode()))
	if err != nil || again.state != r.state || !again.begun.Equal(r.begun) || !bytes.Equal(again.body, r.body) || again.fingerprint != r.fingerprint {
		return fmt.Errorf("%+v became %+v, %v", r, again, err)
	}
	return nil
}

// Decision is what the flow might tell of a lookup, at some length.
func Decision(value string) enrich.Decided {
	return enrich.Decided{Source: "proofpoint_et_intelligence", At: time.Now(), Request: enrich.Request{Entity: enrich.Entity{Value: value}}, Text: strings.Repeat("long ", 2000)}
}

// StateOfAnswer is what is kept of an answer that was written in these pieces.
func StateOfAnswer(pieces ...[]byte) string {
	k := newKeeper(httptest.NewRecorder())
	for _, p := range pieces {
		_, _ = k.Write(p)
	}
	return k.answer().state
}

// MostAnswer is the length of an answer, packed, that is still kept.
const MostAnswer = mostAnswer
