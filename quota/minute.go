package quota

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// minute is what was settled within one minute, by trigger: the grain in which
// windows are rebuilt at start, and the series of burn-downs and forecasts.
type minute struct {
	Spent, Uncertain [numTriggers]int64
}

func (m *minute) by() (by [numTriggers]int64) {
	for t := range by {
		by[t] = m.Spent[t] + m.Uncertain[t]
	}
	return by
}

func (m *minute) total() (n int64) {
	for t := range m.Spent {
		n += m.Spent[t] + m.Uncertain[t]
	}
	return n
}

func (m *minute) add(o *minute) {
	for t := range m.Spent {
		m.Spent[t] += o.Spent[t]
		m.Uncertain[t] += o.Uncertain[t]
	}
}

// encode writes how many triggers there are, then two numbers for each.
func (m *minute) encode() []byte {
	b := append(make([]byte, 0, 16), byte(numTriggers))
	for t := range m.Spent {
		b = binary.AppendVarint(b, m.Spent[t])
		b = binary.AppendVarint(b, m.Uncertain[t])
	}
	return b
}

var errMinute = errors.New("usage record is damaged")

func decodeMinute(b []byte) (m minute, err error) {
	read := func() (v int64) {
		v, n := binary.Varint(b)
		if n <= 0 || v < 0 {
			err = errMinute
			return 0
		}
		b = b[n:]
		return v
	}
	if len(b) == 0 || b[0] > byte(numTriggers) {
		return m, errMinute
	}
	n := int(b[0])
	b = b[1:]
	for t := range n {
		m.Spent[t] = read()
		m.Uncertain[t] = read()
	}
	if len(b) != 0 {
		err = errMinute
	}
	return m, err
}

// series is the key of a series of minutes: of a source in bucketMinutes, of a
// client or a playbook at a source in bucketSpenders.
func series(source string) []byte { return append([]byte(source), 0) }

func spender(source string, kind OwnerKind, name string) []byte {
	k := append(series(source), kind[0])
	return append(append(k, spenderName(name)...), 0)
}

// maxName bounds what a stranger's name may take of a key.
const maxName = 200

// spenderName is a client's or playbook's name as it stands in keys.
func spenderName(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	return s[:min(len(s), maxName)]
}

func minuteOf(t time.Time) time.Time { return time.Unix(floorDiv(t.Unix(), 60)*60, 0) }

func minuteKey(series []byte, at time.Time) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), series...), uint64(floorDiv(at.Unix(), 60)))
}

// eachMinute calls f for the minutes of a series in [from, to), to zero: all.
func eachMinute(b *bolt.Bucket, series []byte, from, to time.Time, f func(start time.Time, m minute) error) error {
	c := b.Cursor()
	for k, v := c.Seek(minuteKey(series, from)); len(k) == len(series)+8 && string(k[:len(series)]) == string(series); k, v = c.Next() {
		start := time.Unix(int64(binary.BigEndian.Uint64(k[len(series):]))*60, 0)
		if !to.IsZero() && !start.Before(to) {
			return nil
		}
		value, err := boltfile.Unprotect(k, v)
		var m minute
		if err == nil {
			m, err = decodeMinute(value)
		}
		if err == nil {
			err = f(start, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addMinute books what was settled in a minute, or what became of it later; the
// minute may have been pruned by then.
func addMinute(b *bolt.Bucket, key []byte, delta *minute) error {
	var m minute
	raw := b.Get(key)
	if raw == nil && slices.ContainsFunc(delta.Uncertain[:], func(n int64) bool { return n < 0 }) {
		return nil
	}
	if raw != nil {
		value, err := boltfile.Unprotect(key, raw)
		if err != nil {
			return err
		}
		if m, err = decodeMinute(value); err != nil {
			return err
		}
	}
	m.add(delta)
	return b.Put(key, boltfile.Protect(key, m.encode()))
}
