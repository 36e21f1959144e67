package httpapi

import (
	"slices"
	"sync"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// Enrichment is what became of one request, as the API tells it.
type Enrichment struct {
	// ID grows with each; a restart begins at 1 again.
	ID     uint64    `json:"id"`
	At     time.Time `json:"at"`
	TookMS int64     `json:"took_ms"`
	Source string    `json:"source"`
	Type   string    `json:"type,omitempty"`
	Value  string    `json:"value"`
	// Trigger, and who asked as far as is known.
	Trigger  string `json:"trigger"`
	Client   string `json:"client,omitempty"`
	Playbook string `json:"playbook,omitempty"`
	Person   string `json:"person,omitempty"`
	Work     string `json:"work,omitempty"`
	// Fate in a word, Text in a line for people.
	Fate       string             `json:"fate"`
	Text       string             `json:"text"`
	Units      int64              `json:"units"`
	UnitsSaved int64              `json:"units_saved"`
	Lookups    []EnrichmentLookup `json:"lookups"`
}

// EnrichmentLookup is one lookup of an Enrichment.
type EnrichmentLookup struct {
	Endpoint string `json:"endpoint"`
	Class    string `json:"class"`
	// From is memory, disk, shared or loaded; empty without an answer.
	From  string `json:"from,omitempty"`
	Stale bool   `json:"stale,omitempty"`
	Units int64  `json:"units"`
	Error string `json:"error,omitempty"`
}

// newEnrichment takes from a decision what may be told.
func newEnrichment(d enrich.Decided) Enrichment {
	e := Enrichment{
		At: d.At.UTC(), TookMS: d.Took.Milliseconds(), Source: d.Source, Type: d.Request.Entity.Type, Value: shownValue(d.Request.Entity),
		Trigger: d.Request.Trigger.String(), Client: d.Request.Client, Playbook: d.Request.PlaybookName, Person: d.Request.Person, Work: d.Request.Work,
		Fate: d.Fate.String(), Text: d.Text, Units: d.Result.Units(), Lookups: []EnrichmentLookup{},
	}
	if e.Playbook == "" {
		e.Playbook = d.Request.Playbook
	}
	for _, p := range d.Result.Parts {
		l := EnrichmentLookup{Endpoint: p.Lookup.Endpoint, Class: p.Class.String(), Stale: p.Stale, Units: p.Units}
		if p.Entry != nil {
			l.From = p.Origin.String()
		}
		if p.Err != nil {
			l.Error = p.Err.Error()
		}
		if p.Cached() {
			e.UnitsSaved += p.Lookup.Units
		}
		e.Lookups = append(e.Lookups, l)
	}
	return e
}

const (
	// mostRecent enrichments are kept, in memory.
	mostRecent = 1000
	// mostListeners may follow them at a time.
	mostListeners = 64
	// listenerLag is how many a listener may be behind before it is let go.
	listenerLag = 256
)

// Recent keeps the last enrichments, whoever asked, and tells those who listen.
// Safe for concurrent use.
type Recent struct {
	mu        sync.Mutex
	last      uint64
	kept      []Enrichment // oldest first, up to twice as many as are told of
	listeners map[chan Enrichment]struct{}
}

// NewRecent has nothing to tell yet.
func NewRecent() *Recent { return &Recent{listeners: map[chan Enrichment]struct{}{}} }

// Observe takes one in; it is what enrich.Config.Observe wants and waits for nobody.
func (r *Recent) Observe(d enrich.Decided) {
	e := newEnrichment(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	e.ID = r.last
	if len(r.kept) == 2*mostRecent { // now and then, and not at each
		r.kept = append(r.kept[:0], r.lastLocked()...)
	}
	r.kept = append(r.kept, e)
	for l := range r.listeners {
		select {
		case l <- e:
		default: // too slow: it comes back and says what it had last
			delete(r.listeners, l)
			close(l)
		}
	}
}

// lastLocked are those that are told of, oldest first.
func (r *Recent) lastLocked() []Enrichment { return r.kept[max(0, len(r.kept)-mostRecent):] }

// list are those that match, the newest first, at most limit of those before an
// id; before 0 means from the newest.
func (r *Recent) list(before uint64, limit int, match func(Enrichment) bool) []Enrichment {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []Enrichment{}
	for _, e := range slices.Backward(r.lastLocked()) {
		if len(list) == limit {
			break
		}
		if (before == 0 || e.ID < before) && match(e) {
			list = append(list, e)
		}
	}
	return list
}

// listen gives those after an id and, from then on, each as it comes. The
// channel is closed when the listener is too slow. ok is false when there are
// too many.
func (r *Recent) listen(after uint64) (missed []Enrichment, next <-chan Enrichment, leave func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.listeners) == mostListeners {
		return nil, nil, nil, false
	}
	if after > 0 && after <= r.last { // an id of another life of ours says nothing
		for _, e := range r.lastLocked() {
			if e.ID > after {
				missed = append(missed, e)
			}
		}
	}
	l := make(chan Enrichment, listenerLag)
	r.listeners[l] = struct{}{}
	return missed, l, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.listeners, l)
	}, true
}
