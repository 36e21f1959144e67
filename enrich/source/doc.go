// Package source makes a source of a YAML file: address, key, limits, what an
// answer means and what it says are declared, and the engine here does the rest.
//
// A definition is a folder: source.yaml, fixtures.yaml with the answers that it
// was written for, their bodies in fixtures/ and what they become in golden/.
// README.md is the reference of the format, source.schema.json its schema.
//
// The life of a definition: Load reads it, holds it against the schema, compiles
// its programs, and tries it on its own fixtures and on answers that no provider
// means (hostile.go); one that would keep such as an answer is refused, with file
// and line, and costs no other. Open joins it with a key and gives an
// enrich.Source. Plan turns an entity into requests; Fetch makes one and
// classifies what came (classify.go); Facts runs the mapping, which yields
// intents (intent.go), never STIX: ids, author, markings and checks are not the
// file's to say.
//
// Fails closed: a predicate that fails, and an answer that no rule names, are a
// server error; only a JSON answer can be kept. Bounded: the programs are jq
// without loops (program.go), on a budget of steps and bytes (budget.go).
//
// A definition looks up and nothing else: GET, or POST to one of the few
// addresses that package code lists (method.go). It cannot submit, upload or scan.
package source
