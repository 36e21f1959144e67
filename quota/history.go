package quota

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Point is what a source spent in one step of a History.
type Point struct {
	Start time.Time `json:"start"`
	// Units that were settled, uncertain ones included, by trigger and in all.
	Units map[string]int64 `json:"units"`
	Total int64            `json:"total"`
}

// maxPoints bounds a History.
const maxPoints = 10_000

// History is a source's spending in [from, to) by steps of whole minutes that
// begin at from; steps without spending are there, with nothing in them.
func (l *Ledger) History(source string, from, to time.Time, step time.Duration) ([]Point, error) {
	from = minuteOf(from).UTC()
	if step < time.Minute || step%time.Minute != 0 {
		return nil, errors.New("quota: the steps of a history are whole minutes")
	}
	if !from.Before(to) || to.Sub(from)/step >= maxPoints {
		return nil, errors.New("quota: a history has between 1 and 10,000 steps")
	}
	var points []Point
	for at := from; at.Before(to); at = at.Add(step) {
		points = append(points, Point{Start: at, Units: map[string]int64{}})
	}
	err := l.reader().View(func(tx *bolt.Tx) error {
		return eachMinute(tx.Bucket(bucketMinutes), series(source), from, to, func(start time.Time, m minute) error {
			p := &points[start.Sub(from)/step]
			for t, n := range m.by() {
				if n > 0 {
					p.Units[Trigger(t).String()] += n
				}
			}
			p.Total += m.total()
			return nil
		})
	})
	return points, err
}

// Spender is what one client or playbook spent.
type Spender struct {
	Owner Owner `json:"-"`
	// Kind is "client" or "playbook".
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Units int64  `json:"units"`
}

// Spenders are the clients and playbooks that spent at a source in [from, to),
// the greatest first.
func (l *Ledger) Spenders(source string, from, to time.Time) ([]Spender, error) {
	all := []Spender{}
	err := l.reader().View(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketSpenders)
		prefix := series(source)
		c := b.Cursor()
		for k, _ := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); {
			who := k[:len(k)-8]
			if who[len(prefix)] == OfBucket[0] { // a kind of calls, and nobody who spends
				k, _ = c.Seek(binary.BigEndian.AppendUint64(bytes.Clone(who), 1<<63))
				continue
			}
			s := Spender{Kind: string(OfClient), Name: string(who[len(prefix)+1 : len(who)-1])}
			if who[len(prefix)] == OfPlaybook[0] {
				s.Kind = string(OfPlaybook)
			}
			s.Owner = Owner{OwnerKind(s.Kind), s.Name}
			series := bytes.Clone(who)
			err := eachMinute(b, series, from, to, func(_ time.Time, m minute) error {
				s.Units += m.total()
				return nil
			})
			if err != nil {
				return err
			}
			if s.Units > 0 {
				all = append(all, s)
			}
			k, _ = c.Seek(binary.BigEndian.AppendUint64(series, 1<<63))
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Spender) int {
		if a.Units != b.Units {
			return int(b.Units - a.Units)
		}
		return strings.Compare(a.Kind+a.Name, b.Kind+b.Name)
	})
	return all, err
}
