package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// States of a remembered request.
const (
	// repeatBegun: it is being answered, or was when the process died.
	repeatBegun = "begun"
	repeatDone  = "done"
	// repeatLost: it was answered at a length that is not kept.
	repeatLost = "lost"
)

// repeat is a remembered request and its answer.
type repeat struct {
	state       string
	begun       time.Time
	fingerprint [32]byte
	status      int
	header      http.Header
	body        []byte // packed on disk
	size        int64  // of the record
}

// repeatHead is a repeat's record up to the body, which follows a zero byte.
type repeatHead struct {
	State       string      `json:"state"`
	Begun       time.Time   `json:"begun"`
	Fingerprint []byte      `json:"fingerprint"`
	Status      int         `json:"status,omitempty"`
	Header      http.Header `json:"header,omitempty"`
}

func (r repeat) encode() []byte {
	head, err := json.Marshal(repeatHead{State: r.state, Begun: r.begun, Fingerprint: r.fingerprint[:], Status: r.status, Header: r.header})
	if err != nil {
		panic("httpapi: a record that cannot be encoded: " + err.Error()) // strings and numbers only
	}
	return append(append(head, 0), r.body...)
}

// decodeRepeat reads a record. Its body aliases the record and is still packed.
func decodeRepeat(key, record []byte) (r repeat, err error) {
	value, err := boltfile.Unprotect(key, record)
	if err != nil {
		return r, err
	}
	head, body, ok := bytes.Cut(value, []byte{0}) // JSON has no zero byte
	var h repeatHead
	if !ok || json.Unmarshal(head, &h) != nil || len(h.Fingerprint) != len(r.fingerprint) {
		return r, errors.New("record is damaged")
	}
	return repeat{state: h.State, begun: h.Begun, fingerprint: [32]byte(h.Fingerprint), status: h.Status, header: h.Header, body: body, size: int64(len(record))}, nil
}
