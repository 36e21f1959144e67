package httpapi

import (
	"cmp"
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
	TookMS float64   `json:"took_ms"`
	Source string    `json:"source"`
	Type   string    `json:"type,omitempty"`
	Value  string    `json:"value"`
	// TLP is the entity's marking as it counted, MaxTLP the most that is allowed.
	TLP    string `json:"tlp,omitempty"`
	MaxTLP string `json:"max_tlp,omitempty"`
	// Trigger, and who asked as far as is known.
	Trigger string `json:"trigger"`
	Client  string `json:"client,omitempty"`
	// Playbook is its name as far as it is known, else its id.
	Playbook   string `json:"playbook,omitempty"`
	PlaybookID string `json:"playbook_id,omitempty"`
	Person     string `json:"person,omitempty"`
	Work       string `json:"work,omitempty"`
	// Fate in a word, Text in a line for people.
	Fate       string `json:"fate"`
	Text       string `json:"text"`
	Units      int64  `json:"units"`
	UnitsSaved int64  `json:"units_saved"`
	// Objects of the bundle that was handed back.
	Objects int                `json:"objects"`
	Lookups []EnrichmentLookup `json:"lookups"`
}

// EnrichmentLookup is one lookup of an Enrichment.
type EnrichmentLookup struct {
	Endpoint string `json:"endpoint"`
	Class    string `json:"class"`
	// From is memory, disk, shared or loaded; empty without an answer.
	From string `json:"from,omitempty"`
	// AgeSeconds of a kept answer when it was given.
	AgeSeconds int64  `json:"age_seconds,omitempty"`
	Stale      bool   `json:"stale,omitempty"`
	Units      int64  `json:"units"`
	Error      string `json:"error,omitempty"`
}

// newEnrichment takes from a decision what may be told.
func newEnrichment(d enrich.Decided) Enrichment {
	e := Enrichment{
		At: d.At.UTC(), TookMS: float64(d.Took.Microseconds()) / 1000, Source: d.Source, Type: d.Request.Entity.Type, Value: d.Request.Entity.Subject(),
		TLP: d.TLP, MaxTLP: d.MaxTLP,
		Trigger: d.Request.Trigger.String(), Client: d.Request.Client, Person: d.Request.Person, Work: d.Request.Work,
		Playbook: cmp.Or(d.Request.PlaybookName, d.Request.Playbook), PlaybookID: d.Request.Playbook,
		Fate: d.Fate.String(), Text: d.Text, Units: d.Result.Units(), UnitsSaved: d.Saved(), Objects: len(d.Result.Bundle.Objects), Lookups: []EnrichmentLookup{},
	}
	for _, p := range d.Result.Parts {
		l := EnrichmentLookup{Endpoint: p.Lookup.Endpoint, Class: p.Class.String(), Stale: p.Stale, Units: p.Units}
		if p.Entry != nil {
			l.From = p.Origin.String()
			if p.Cached() {
				l.AgeSeconds = int64(max(0, d.At.Sub(p.Entry.StoredAt)).Seconds())
			}
		}
		if p.Err != nil {
			l.Error = p.Err.Error()
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
	playbooks map[string]string // names by id, as far as they are known
}

// NewRecent has nothing to tell yet.
func NewRecent() *Recent {
	return &Recent{listeners: map[chan Enrichment]struct{}{}, playbooks: map[string]string{}}
}

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
	if e.PlaybookID != "" && e.Playbook != e.PlaybookID && len(r.playbooks) < mostRecent {
		r.playbooks[e.PlaybookID] = e.Playbook
	}
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

// Last are the last n, the newest first.
func (r *Recent) Last(n int) []Enrichment {
	return r.list(0, n, func(Enrichment) bool { return true })
}

// Count is how many there were.
func (r *Recent) Count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// Playbook is the name of a playbook, or its id where no request has named it.
func (r *Recent) Playbook(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.playbooks[id], id)
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
