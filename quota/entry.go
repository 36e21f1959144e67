package quota

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Entry is one line of the audit log. Entries are only ever added.
type Entry struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Kind is "reserve", or how the reservation Ref ended: "spent", "void", "uncertain".
	Kind string `json:"kind"`
	// Ref is the Seq of the reserve entry that this one settles.
	Ref      uint64 `json:"ref,omitempty"`
	Account  string `json:"account"`
	Endpoint string `json:"endpoint,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Units    int64  `json:"units"`
	Trigger  string `json:"trigger,omitempty"`
	Work     string `json:"work,omitempty"`
	Playbook string `json:"playbook,omitempty"`
	Client   string `json:"client,omitempty"`
	// Status is the provider's HTTP status, 0 when there was none.
	Status int `json:"status,omitempty"`
	// Reason says why, where it is not plain: "process died", …
	Reason string `json:"reason,omitempty"`
}

// An entry on disk is the chain hash (32 bytes: SHA-256 over the previous
// entry's hash and this entry's JSON) followed by the JSON.

// seal encodes an entry behind the previous one's hash.
func seal(prev [sha256.Size]byte, e *Entry) (record []byte, hash [sha256.Size]byte, err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, hash, fmt.Errorf("encoding entry %d: %w", e.Seq, err)
	}
	hash = chain(prev, body)
	return append(hash[:], body...), hash, nil
}

func chain(prev [sha256.Size]byte, body []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(body)
	return [sha256.Size]byte(h.Sum(nil))
}

// unseal splits a record; it checks form only, Verify checks the chain.
func unseal(record []byte) (hash [sha256.Size]byte, body []byte, err error) {
	if len(record) < sha256.Size+2 {
		return hash, nil, errors.New("entry is cut short")
	}
	return [sha256.Size]byte(record[:sha256.Size]), record[sha256.Size:], nil
}

// reservation is an open reservation on disk and in memory.
type reservation struct {
	Account string  `json:"account"`
	Units   int64   `json:"units"`
	Trigger Trigger `json:"trigger"`
}

// minute is what one account settled within one minute: the grain in which
// windows are rebuilt at start and forecasts are made.
type minute struct {
	Spent     [numTriggers]int64
	Uncertain int64
}

func (m minute) total() int64 {
	n := m.Uncertain
	for _, s := range m.Spent {
		n += s
	}
	return n
}

func (m minute) encode() []byte {
	b := make([]byte, 0, 16)
	for _, s := range m.Spent {
		b = binary.AppendVarint(b, s)
	}
	return binary.AppendVarint(b, m.Uncertain)
}

func decodeMinute(b []byte) (minute, error) {
	var m minute
	read := func(to *int64) bool {
		v, n := binary.Varint(b)
		if n <= 0 || v < 0 {
			return false
		}
		*to, b = v, b[n:]
		return true
	}
	for i := range m.Spent {
		if !read(&m.Spent[i]) {
			return m, errors.New("usage record is damaged")
		}
	}
	if !read(&m.Uncertain) || len(b) != 0 {
		return m, errors.New("usage record is damaged")
	}
	return m, nil
}

func seqKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// minuteKey orders an account's minutes by time.
func minuteKey(account string, at time.Time) []byte {
	k := append([]byte(account), 0)
	return binary.BigEndian.AppendUint64(k, uint64(at.Unix()/60))
}
