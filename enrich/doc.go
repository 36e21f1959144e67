// Package enrich is the flow: one request from arrival to fate.
//
// The way of a message, each step in the file of its name:
//
//	policy     TLP first, then scope; a refused entity leaves the process no further
//	lookup     one per endpoint × value, all at once; for each:
//	             cache     fresh → no cost
//	             flight    one caller per key, the others wait
//	             guard     no call while the key is refused or the provider asks for patience
//	             quota     reserve units, durably
//	             carrier   where a provider takes several values at once, those that wait leave together
//	             source    one HTTP call with a deadline, classified by status and body
//	             cache     store the provider's bytes, durably, before anyone uses them
//	             quota     settle: spent, void or uncertain
//	stixconv   facts → STIX with this request's subject and markings
//	deliver    publish, confirmed, or answer the playbook step
//	report     the work's fate in words
//
// and only then does the consumer acknowledge the message. A crash costs: before
// the reservation, nothing; between reservation and settlement, one unit per call
// in flight, counted as uncertain; after the answer is stored, nothing, because
// the redelivered message finds it in the cache.
//
// Policy stands before the cache, so that the cache is no way around TLP. The
// cache holds the provider's bytes, not our STIX: a converter fix costs no
// quota, and markings are always this request's.
package enrich
