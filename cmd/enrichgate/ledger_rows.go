package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/output"
	"github.com/enrichgate/enrichgate/quota"
)

// ledgerColumns are an entry's fields, named as in the ledger itself.
func ledgerColumns() []output.Column {
	return []output.Column{
		{Name: "seq", Title: "SEQ", Right: true}, {Name: "time", Title: "TIME"}, {Name: "kind", Title: "KIND"}, {Name: "account", Title: "SOURCE"},
		{Name: "units", Title: "UNITS", Right: true}, {Name: "trigger", Title: "TRIGGER"}, {Name: "endpoint", Title: "ENDPOINT"}, {Name: "subject", Title: "VALUE"},
		{Name: "note", Title: "NOTE"},
		{Name: "ref"}, {Name: "status"}, {Name: "work"}, {Name: "playbook"}, {Name: "playbook_name"}, {Name: "client"}, {Name: "person"},
		{Name: "reason"}, {Name: "by"}, {Name: "outcome"}, {Name: "window"}, {Name: "until"}, {Name: "used"}, {Name: "limit"}, {Name: "drift"},
	}
}

func entryRow(e quota.Entry) []any {
	return []any{
		e.Seq, e.Time, e.Kind, e.Account, units64(e.Units), e.Trigger, e.Endpoint, e.Subject, entryNote(e),
		e.Ref, e.Status, e.Work, e.Playbook, e.PlaybookName, e.Client, e.Person,
		e.Reason, e.By, e.Outcome, e.Window, e.Until, e.Used, e.Limit, e.Drift,
	}
}

// entryNote is the rest of an entry in a few words.
func entryNote(e quota.Entry) string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if e.Ref != 0 {
		add("of %d", e.Ref)
	}
	if e.Status != 0 {
		add("HTTP %d", e.Status)
	}
	if who := cmp.Or(e.PlaybookName, e.Playbook, e.Person, e.Client); who != "" {
		add("for %s", who)
	}
	if e.Window != "" {
		add("%s", e.Window)
	}
	if e.Used != nil {
		add("used %s", grouped(*e.Used))
	}
	if e.Limit != 0 {
		add("limit %s", grouped(e.Limit))
	}
	if e.Outcome != "" {
		add("%s", e.Outcome)
	}
	switch {
	case e.By != "" && e.Reason != "":
		add("by %s: %s", e.By, e.Reason)
	case e.By != "" || e.Reason != "":
		add("%s", e.By+e.Reason)
	}
	return strings.Join(all, ", ")
}
