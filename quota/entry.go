package quota

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kinds of entries. A new one needs: Kinds, follow in verify.go, and README.md.
const (
	KindReserve   = "reserve"
	KindSpent     = "spent"
	KindVoid      = "void"
	KindUncertain = "uncertain"
	// KindResolve says what became of the uncertain reservation Ref.
	KindResolve = "resolve"
	// KindInitial, KindSetUsed, KindReconcile and KindCheckpoint say how much of
	// a window is used, whatever was counted.
	KindInitial    = "initial"
	KindSetUsed    = "set-used"
	KindReconcile  = "reconcile"
	KindCheckpoint = "checkpoint"
	KindSetLimit   = "set-limit"
	KindSetFloor   = "set-floor"
	KindPause      = "pause"
	KindResume     = "resume"
	// KindNote is what an operator did beside the books.
	KindNote = "note"
	// KindPrune says that the entries through Ref were replaced by their summary.
	KindPrune = "prune"
)

// Kinds lists all of them.
func Kinds() []string {
	return []string{
		KindReserve, KindSpent, KindVoid, KindUncertain, KindResolve, KindInitial, KindSetUsed, KindReconcile, KindCheckpoint,
		KindSetLimit, KindSetFloor, KindPause, KindResume, KindNote, KindPrune,
	}
}

// Entry is one line of the audit log. Entries are only ever added.
type Entry struct {
	Seq uint64 `json:"seq"`
	// Time never runs backwards. Wall is the system's clock where that was behind.
	Time time.Time  `json:"time"`
	Wall *time.Time `json:"wall,omitempty"`
	Kind string     `json:"kind"`
	// Ref is the Seq of the reserve entry that this one ends or resolves.
	Ref      uint64 `json:"ref,omitempty"`
	Account  string `json:"account"`
	Endpoint string `json:"endpoint,omitempty"`
	// Bucket is the kind of calls that it counts among, where the provider has kinds.
	Bucket string `json:"bucket,omitempty"`
	// Subject is the value that was asked for, as Options.Values says.
	Subject string `json:"subject,omitempty"`
	// Units are the price; of set-floor the floor, of reconcile the provider's count.
	Units        int64  `json:"units"`
	Trigger      string `json:"trigger,omitempty"`
	Work         string `json:"work,omitempty"`
	Playbook     string `json:"playbook,omitempty"`
	PlaybookName string `json:"playbook_name,omitempty"`
	Client       string `json:"client,omitempty"`
	Person       string `json:"person,omitempty"`
	// Status is the provider's HTTP status, 0 when there was none.
	Status int `json:"status,omitempty"`
	// Reason says why, where it is not plain; By who gave the command, or where
	// a provider's count came from.
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
	// Outcome of a resolve: spent or void.
	Outcome string `json:"outcome,omitempty"`
	// Window is the name of the window that a command or a report is about, and
	// Until its end. Used is what counts in it from now on; Before is how much of
	// this minute that includes.
	Window string     `json:"window,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	Used   *int64     `json:"used,omitempty"`
	Before int64      `json:"before,omitempty"`
	// Limit of the window from now on.
	Limit int64 `json:"limit,omitempty"`
	// Drift is the provider's count less ours.
	Drift int64 `json:"drift,omitempty"`
	// Spent and Uncertain are units that a checkpoint adds to the totals.
	Spent     int64 `json:"spent,omitempty"`
	Uncertain int64 `json:"uncertain,omitempty"`
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

func decodeEntry(k, record []byte) (e Entry, hash [sha256.Size]byte, err error) {
	hash, body, err := unseal(record)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		err = fmt.Errorf("%w: entry %d: %v", ErrForeign, binary.BigEndian.Uint64(k), err)
	}
	return e, hash, err
}

// reservation is an open reservation on disk and in memory.
type reservation struct {
	Account  string  `json:"account"`
	Units    int64   `json:"units"`
	Trigger  Trigger `json:"trigger"`
	Endpoint string  `json:"endpoint,omitempty"`
	Bucket   string  `json:"bucket,omitempty"`
	Client   string  `json:"client,omitempty"`
	Playbook string  `json:"playbook,omitempty"`
	// At is when it was made.
	At time.Time `json:"at,omitzero"`
}

// doubt is a reservation that ended uncertain, with the entry that says so.
type doubt struct {
	reservation
	Entry   uint64    `json:"entry"`
	Settled time.Time `json:"settled"`
	// steady is the same moment on the steady time line of this process.
	steady time.Time
}

func seqKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
