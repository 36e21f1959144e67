package quota

import (
	"fmt"
	"strings"
)

// Trigger is why a unit is asked for. A new value needs: triggerNames, a
// default in DefaultFloors, and the metrics' label list.
type Trigger uint8

// The triggers, in the order in which they are served when they have to wait.
const (
	Manual Trigger = iota
	API
	Proxy
	Playbook
	Auto
	numTriggers
)

var triggerNames = [numTriggers]string{"manual", "api", "proxy", "playbook", "auto"}

// String is the trigger's name as in metrics, the audit log and the API.
func (t Trigger) String() string {
	if t < numTriggers {
		return triggerNames[t]
	}
	return fmt.Sprintf("Trigger(%d)", uint8(t))
}

// Triggers lists all of them.
func Triggers() []Trigger { return []Trigger{Manual, API, Proxy, Playbook, Auto} }

// ParseTrigger reads a trigger's name.
func ParseTrigger(s string) (Trigger, error) {
	for t := range numTriggers {
		if triggerNames[t] == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a trigger; use %s", s, strings.Join(triggerNames[:], ", "))
}
