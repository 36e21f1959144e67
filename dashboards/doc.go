// Package dashboards is what an operator looks at: a web page of the gateway,
// and, for those who run Prometheus and Grafana, rules and a dashboard.
//
// The page answers three questions first: will the quota last, who spends it,
// what did the cache save. It is rendered on the server and complete without
// JavaScript; a script of a few dozen lines keeps an open page up to date.
//
// Its rules. Nothing is fetched from another host. Nothing inline is executed:
// the content security policy allows this origin's own files and no more. Every
// value is escaped by html/template, wherever it came from. No secret reaches
// this package but the two tokens that it compares, in constant time.
//
// Who may do what: with a token configured, looking needs a sign-in; without
// any it needs none, and then only requests that name this host as a loopback
// address are answered, so that no web site can look through a rebound name.
// Acting needs the admin token, a form of this origin with the session's own
// token in it, and a reason, which goes into the audit.
//
// What is shown are snapshots of types that are declared here: this package
// knows neither the ledger nor the cache.
package dashboards
