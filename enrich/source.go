package enrich

import (
	"context"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/stixconv"
)

// Source is one paid API account. Implementations live in enrich/source/… and
// are safe for concurrent use.
type Source interface {
	// Name is the source's id in the ledger, the cache, the metrics and the API,
	// such as "proofpoint_et_intelligence".
	Name() string

	// Plan lists the lookups that enriching the entity needs, the most valuable
	// first. It makes no call. An entity that the source cannot look up (wrong
	// type, a file without the hash that it wants) gives an *InputError.
	Plan(Entity) ([]Lookup, error)

	// Fetch makes exactly one HTTP request: no retry, no redirect to another
	// host, a deadline and a bound on the body. Failures are classes, not
	// errors: every way that a call can end is an Answer.
	Fetch(context.Context, Lookup) Answer

	// Facts reads the body of a found or partial answer. A row that cannot be
	// used becomes one entry of skipped and never costs the others.
	Facts(l Lookup, body []byte, asOf time.Time) (facts stixconv.Facts, skipped []error)

	// Author is who says so: the identity that what we make is created by, and
	// the marking of what it says.
	Author() stixconv.Author
}

// Lookup is one paid API call to be: endpoint × normalized value.
type Lookup struct {
	// Endpoint is the source's name for the call, from a short fixed list:
	// "ip.reputation". It is a metric label and part of the cache key.
	Endpoint string
	// Value is the normalized value.
	Value string
	// Vary names what else changes the answer: another account, plan or
	// address of the API, or parameters. It is part of the cache key.
	Vary string
	// Bucket is the kind of calls that the provider counts it among, where it
	// counts kinds apart; it is part of no key.
	Bucket string
	// Units is the price of one attempt.
	Units int64
	// Title names the part in messages for people: "reputation".
	Title string
	// TTL says how long an answer of each kind stays fresh.
	TTL TTL
}

// TTL is how long an answer is fresh, and how much longer it may be served,
// marked as stale, when the quota or the provider refuses.
type TTL struct {
	Found    time.Duration
	NotFound time.Duration
	Stale    time.Duration
	// Set is what the operator says of all answers of the lookup; zero for nothing.
	Set time.Duration
}

// Class is the kind of an answer, from status and body together.
// Only Found, Partial, NotFound and InvalidInput are ever kept.
// A new value needs: classNames, Keep, Failed, and words in outcome.go.
type Class int

const (
	// ServerError is also what every answer that matches nothing else is.
	ServerError Class = iota
	Found
	Partial
	NotFound
	InvalidInput
	RateLimited
	QuotaExhausted
	AuthFailed
	Forbidden
	// TimedOut means that the deadline passed after the request had left.
	TimedOut
	// NetworkError means that no answer came (refused, reset, DNS, TLS).
	NetworkError
)

var classNames = [...]string{
	ServerError: "server_error", Found: "found", Partial: "partial", NotFound: "not_found", InvalidInput: "invalid_input",
	RateLimited: "rate_limited", QuotaExhausted: "quota_exhausted", AuthFailed: "auth_failed", Forbidden: "forbidden",
	TimedOut: "timeout", NetworkError: "network",
}

// String is the class's name in metrics, the audit log and the API.
func (c Class) String() string {
	if c >= 0 && int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("Class(%d)", int(c))
}

// Classes lists all of them.
func Classes() []Class {
	all := make([]Class, len(classNames))
	for i := range all {
		all[i] = Class(i)
	}
	return all
}

// Keep says that an answer of this class is an answer, and is stored. Nothing
// else is: an outage must never look like "nothing known".
func (c Class) Keep() bool {
	return c == Found || c == Partial || c == NotFound || c == InvalidInput
}

// Answer is how one call ended.
type Answer struct {
	Class Class
	// Status is the HTTP status, 0 when there was none.
	Status int
	// Body is the provider's bytes, already within the size bound, and
	// ContentType what its answer called them.
	Body        []byte
	ContentType string
	// RetryAfter is when the provider wants to be asked again; zero if it did not say.
	RetryAfter time.Time
	// Sent is false only when no byte of the request was written: nothing can
	// have been billed, and the reservation may be given back.
	Sent bool
	// Free says that the provider documents that it does not charge for a call
	// that ends like this one. What is not documented is charged.
	Free bool
	// TTL, if it is not zero, is how long this answer stays fresh, whatever the
	// lookup's TTL says: because of its verdict, or because the answer says so.
	TTL time.Duration
	// NoStale bars the answer from being served past its TTL.
	NoStale bool
	// Usage is the provider's own count, as far as this answer shows it.
	Usage []Usage
	// Apart says that the body was taken out of an answer about several values.
	Apart bool
	// AskAlone says that the provider told of several values at once what does
	// not answer this one: it has to be asked about alone.
	AskAlone bool
	// Final says that the same request would be answered like this again, so that
	// repeating it is money for nothing.
	Final bool
	// Err says what went wrong, without secrets; nil for Found, Partial and NotFound.
	Err error
}

// Usage is how much of one of its limits the provider says is used.
type Usage struct {
	// Window is the limit's period: "minute", "hour", "day" or "month"; of one
	// bucket, "search/day".
	Window string
	// Limit and Used are units; -1 stands for what it does not say.
	Limit, Used int64
	// ResetsAt is when the window opens again; zero if it does not say.
	ResetsAt time.Time
}

// UsageReporter is a source whose provider can be asked for its count, apart
// from any lookup. Such a call costs nothing.
type UsageReporter interface {
	// Usage makes at most one request. A source whose provider cannot be asked
	// gives none; it fails when the answer is not understood.
	Usage(context.Context) ([]Usage, error)
}

// InputError says in one clear line why an entity cannot be looked up.
type InputError struct{ Reason string }

func (e *InputError) Error() string { return e.Reason }
