package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// platformState is what each connector keeps on the platform: its quota for
// whoever looks at the connector there, and the ledger's totals for a ledger
// whose disk is lost.
type platformState struct {
	Quota  map[string]string `json:"quota"`
	Ledger quota.Checkpoint  `json:"ledger"`
}

// state is the ledger as it stands, as JSON.
func (a *app) state() string {
	s := platformState{Quota: map[string]string{}, Ledger: a.ledger.Checkpoint()}
	for _, u := range a.ledger.Usage() {
		for _, w := range u.Windows {
			if w.Rolling {
				continue // over before anybody has read it
			}
			s.Quota[u.Source+" "+w.Window] = fmt.Sprintf("%d of %d used, %d left until %s", w.Used+w.Pending, w.Limit, w.Remaining, w.ResetsAt.UTC().Format(time.RFC3339))
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		panic("platform state: " + err.Error()) // texts, numbers and times always encode
	}
	return string(b)
}

// restore takes over what the platform's copy knows and this ledger does not.
// It never lowers anything; what is not ours says nothing.
func (a *app) restore(state string) {
	var s platformState
	if json.Unmarshal([]byte(state), &s) != nil {
		return
	}
	raised, err := a.ledger.Restore(s.Ledger)
	if err != nil {
		a.log.Warn("the platform's copy of the ledger was not used", "error", err)
	}
	for _, text := range raised {
		a.log.Warn("the ledger was behind the platform's copy, and goes on from there", "raised", text)
	}
}
