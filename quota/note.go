package quota

import (
	"maps"
	"time"
)

// note is what somebody other than the ledger's own spending said of one of a
// source's windows. It is made by the entries of the audit log alone, so that
// Verify can make it again.
type note struct {
	// Used is what counted at At, by somebody's word in entry Seq; Before is how
	// much of the minute of At was already in it. Seq 0: nobody said anything.
	Seq    uint64    `json:"seq,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Used   int64     `json:"used,omitempty"`
	Before int64     `json:"before,omitempty"`
	// Until is the end of the window for which the next three hold.
	Until time.Time `json:"until,omitzero"`
	// Limit is an operator's, 0 when there is none; Reported the provider's.
	Limit    int64 `json:"limit,omitempty"`
	Reported int64 `json:"reported,omitempty"`
	// Floors in units, by trigger.
	Floors map[string]int64 `json:"floors,omitempty"`
	// Report is the provider's count as it was last recorded.
	Report *Reported `json:"report,omitempty"`
}

// holds says that the part for one window is for the window of now.
func (n *note) holds(now instant) bool { return now.wall.Before(n.Until) }

// apply makes the note that follows from an entry. It shares nothing with n.
func (n note) apply(e *Entry) note {
	n.Floors = maps.Clone(n.Floors)
	if e.Used != nil {
		n.Seq, n.At, n.Used, n.Before = e.Seq, e.Time, *e.Used, e.Before
	}
	if e.Until != nil && !e.Until.Equal(n.Until) {
		n.Until, n.Limit, n.Reported, n.Floors = *e.Until, 0, 0, nil
	}
	switch e.Kind {
	case KindSetLimit:
		n.Limit = e.Limit
	case KindSetFloor:
		if n.Floors == nil {
			n.Floors = map[string]int64{}
		}
		n.Floors[e.Trigger] = e.Units
	case KindReconcile:
		if e.Limit > 0 {
			n.Reported = e.Limit
		}
		n.Report = &Reported{Used: e.Units, At: e.Time, From: e.By, Drift: e.Drift}
	}
	return n
}

// release keeps a correction what it is when units that it was made upon leave
// their minute. True means that the note changed.
func (n *note) release(d *doubt) bool {
	if n.Seq < d.Entry || !minuteOf(n.At).Equal(minuteOf(d.Settled)) {
		return false
	}
	n.Before -= d.Units
	return true
}

// pause is a source that may not spend.
type pause struct {
	// Until is when it ends by itself; zero when only Resume ends it.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

func (p *pause) holds(now instant) bool { return p.Until.IsZero() || now.wall.Before(p.Until) }
