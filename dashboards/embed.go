package dashboards

import _ "embed"

//go:embed prometheus/rules.yml
var rules []byte

//go:embed grafana/enrichgate.json
var grafana []byte

// Rules are recording and alerting rules for Prometheus, as a rule file.
func Rules() []byte { return append([]byte(nil), rules...) }

// Grafana is a dashboard for Grafana 10 or later, as JSON to import.
func Grafana() []byte { return append([]byte(nil), grafana...) }
