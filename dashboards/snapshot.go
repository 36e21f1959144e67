package dashboards

import (
	"fmt"
	"strings"
	"time"
)

// State is what the daemon is at one moment.
type State struct {
	At      time.Time
	Sources []Source
	Clients []Client
	Cache   CacheStats
	Health  []Check
}

// Source is one paid account.
type Source struct {
	// Name is the source's id, Title its name for people.
	Name, Title string
	// MaxTLP is the strictest marking that is looked up.
	MaxTLP string
	// BaseURL is the address of the provider's API, without credentials.
	BaseURL string
	// Types are the entity types that are looked up.
	Types   []string
	Windows []Window
	// Spent and Uncertain are units since the ledger began; Pending ones are
	// held by calls under way.
	Spent, Uncertain, Pending int64
	Saved                     Saved
	// Circuit is why the source is left alone for a moment; empty if it is not.
	Circuit string
	Pause   *Pause
	// Price of one unit in Currency; zero when the operator named none.
	Price    float64
	Currency string
}

// Pause is an operator's order to ask the source nothing.
type Pause struct {
	// Until is when it ends by itself; zero means when it is resumed.
	Until      time.Time
	By, Reason string
}

// Saved are units that were not spent this month, by the books' clock in UTC.
type Saved struct {
	// Units saved because the answer was kept, was kept as "no record", or was
	// on its way for another caller.
	Cache, Negative, Shared int64
	// Hits of Lookups needed no call.
	Hits, Lookups int64
}

// Units is the sum.
func (s Saved) Units() int64 { return s.Cache + s.Negative + s.Shared }

// Window is one limit now.
type Window struct {
	// Period is "second", "minute", "hour", "day", "week" or "month".
	Period  string
	Rolling bool
	Limit   int64
	// Used includes uncertain units. Pending ones are held by calls under way.
	Used, Pending, Left int64
	Floors              []Floor
	// Start and Reset bound a calendar window; a rolling one is empty again at
	// Reset if nothing more is spent.
	Start, Reset time.Time
	// Forecast is nil when there is too little to go by.
	Forecast *Forecast
	// History is what was left, oldest first; empty when it is not kept.
	History []Point
	Spent   Spending
	// Changed says that an operator changed the limit or the count in this window.
	Changed string
}

// Taken is what is used or held.
func (w Window) Taken() int64 { return w.Used + w.Pending }

// Above is what may be used before a floor is reached.
func (w Window) Above(floor int64) int64 { return w.Limit - floor }

// Floor is what a trigger must leave to others.
type Floor struct {
	Trigger string
	Units   int64
}

// Point of a burn-down.
type Point struct {
	At   time.Time
	Left int64
}

// Forecast is when the window runs out if spending goes on like this.
type Forecast struct {
	// RunsOut is the earliest estimate, Latest the latest; zero means not
	// before the reset.
	RunsOut, Latest time.Time
	// Rate is units an hour, Basis what it was taken from ("the last 6 h").
	Rate  float64
	Basis string
}

// Spending of a window, each list by falling units.
type Spending struct {
	Triggers, Clients, Playbooks []Share
}

// Share of a window's spending.
type Share struct {
	Name  string
	Units int64
}

// Client is a tool with a token of its own.
type Client struct {
	Name    string
	Sources []string
	MaxTLP  string
	// Budgets of the client, one a window.
	Budgets  []Budget
	LastUsed time.Time
	Expires  time.Time
	Spent    int64
}

// Budget is what a client may spend in a window.
type Budget struct {
	Source, Period string
	Limit, Used    int64
	Reset          time.Time
}

// CacheStats are counts since the process started.
type CacheStats struct {
	MemoryHits, DiskHits, Shared, Misses uint64
	Damaged, WriteErrors                 uint64
	// SizeBytes is the file's size, MaxBytes the limit of what is stored.
	SizeBytes, MaxBytes int64
	Entries             int64
	Encrypted           bool
	Sources             []CacheShare
}

// CacheShare is what a source has in the cache, in bytes as stored.
type CacheShare struct {
	Source         string
	Entries, Bytes int64
	// Expired answers were past their time, Evicted ones gave room, Purged ones
	// were removed by order; since the process started.
	Expired, Evicted, Purged uint64
}

// Check is one thing that has to work.
type Check struct {
	// Name is one or two words: "ledger".
	Name string
	// Level says how bad it is.
	Level Level
	// Says is a short line: "saved 2 s ago".
	Says string
	// Advice is what to do about it; empty when all is well.
	Advice string
}

// Level of a Check.
type Level uint8

// The levels.
const (
	Good Level = iota
	Warn
	Bad
)

// String is the level in a word.
func (l Level) String() string { return [...]string{"ok", "warning", "down"}[l] }

// Decision is one enrichment with all that was decided on its way.
type Decision struct {
	// ID names it within this process, ascending.
	ID   uint64
	Time time.Time
	Took time.Duration
	// Source that was asked; Value and Type are what about.
	Source, Value, Type string
	// Trigger, and who asked as far as is known.
	Trigger, Client, Playbook, Work string
	// TLP is the entity's marking as it counted, MaxTLP the most that is allowed.
	TLP, MaxTLP string
	// Fate is enriched, unchanged, denied, incomplete or failed.
	Fate string
	// Reason is the line that the analyst got.
	Reason       string
	Units, Saved int64
	Objects      int
	Parts        []Part
}

// Answers says in short where the answers came from: "3 kept, 2 asked".
func (d Decision) Answers() string {
	kept, shared, asked, stale, none := 0, 0, 0, 0, 0
	for _, p := range d.Parts {
		switch {
		case p.Stale:
			stale++
		case p.From == "shared":
			shared++
		case p.From == "loaded":
			asked++
		case p.From == "":
			none++
		default:
			kept++
		}
	}
	var said []string
	for _, one := range []struct {
		n    int
		word string
	}{{asked, "asked"}, {kept, "kept"}, {shared, "shared"}, {stale, "stale"}, {none, "missing"}} {
		if one.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", one.n, one.word))
		}
	}
	if len(said) == 0 {
		return "–"
	}
	return strings.Join(said, ", ")
}

// Part is one lookup of a Decision.
type Part struct {
	Endpoint string
	// Class of the answer or of the failure; From is memory, disk, shared or loaded.
	Class, From string
	Stale       bool
	Units       int64
	// Age of the answer when it was given.
	Age   time.Duration
	Error string
}

// Whence is where the answer came from, in words.
func (p Part) Whence() string {
	switch p.From {
	case "":
		return "–"
	case "loaded":
		return "the provider"
	case "shared":
		return "another’s call"
	default:
		return p.From
	}
}

// Entry is a line of the audit log.
type Entry struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	// Ref is the entry that this one settles.
	Ref      uint64 `json:"ref,omitempty"`
	Source   string `json:"source"`
	Endpoint string `json:"endpoint,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Units    int64  `json:"units"`
	Trigger  string `json:"trigger,omitempty"`
	Work     string `json:"work,omitempty"`
	Playbook string `json:"playbook,omitempty"`
	Client   string `json:"client,omitempty"`
	Status   int    `json:"status,omitempty"`
	By       string `json:"by,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Cached is a kept answer.
type Cached struct {
	Source, Endpoint, Value, Type string
	Class                         string
	// State is fresh or stale.
	State                          string
	Stored, FreshUntil, StaleUntil time.Time
	Bytes                          int
	Status                         int
}
