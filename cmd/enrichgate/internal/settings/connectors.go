package settings

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// keyConnectors is the list of config.yml that takes the place of the section
// connector. The environment cannot express it.
const keyConnectors = "connectors"

// connectors makes the list of connectors: of one from the section connector,
// or of every entry of the list. What an entry leaves out is taken from the
// section and the environment, but for what makes it this connector.
func (l *loader) connectors() {
	s := l.target.Settings
	if !l.listed {
		s.Connectors = []Connector{s.connector}
		return
	}
	for _, name := range []string{"CONNECTOR_ID", "CONNECTOR_SOURCE", "CONNECTOR_SCOPE"} {
		if g, given := l.given[name]; given {
			rank := l.rank(name)
			l.fail(rank, l.rows[rank], g, errors.New("given together with connectors: of config.yml; write it there"))
		}
	}
	e, _ := l.doc.find(keyConnectors)
	list := deref(e.value)
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		l.listProblem(keyConnectors, e.line, "", "names no connector; write a list, each entry with id and source")
		return
	}
	for i, node := range list.Content {
		l.connectorOf(i, deref(node))
	}
}

// connectorOf reads one entry of the list.
func (l *loader) connectorOf(i int, node *yaml.Node) {
	at := fmt.Sprintf("%s[%d]", keyConnectors, i)
	if node.Kind != yaml.MappingNode {
		l.listProblem(at, node.Line, "", "not a mapping; write id and source below it, indented")
		l.target.Connectors = append(l.target.Connectors, Connector{})
		return
	}
	t := l.target
	t.Settings = &Settings{Sources: l.target.Sources, connector: l.target.connector}
	c := &t.connector
	c.ID, c.Name, c.Source, c.Scope = "", "", "", nil
	rows := entryRows()
	first := map[string]int{}
	for k := 0; k+1 < len(node.Content); k += 2 {
		key, value := node.Content[k].Value, node.Content[k+1]
		path := at + "." + plain(key)
		r, known := rows[key]
		switch line, again := first[key]; {
		case again:
			l.listProblem(path, node.Content[k].Line, "", fmt.Sprintf("given twice, first in line %d", line))
		case !known:
			l.unknown(Problem{Name: path, Where: l.doc.where(node.Content[k].Line)}, closest(key, "", keysOf(rows)))
		default:
			first[key] = node.Content[k].Line
			l.entrySetting(r, path, node.Content[k].Line, value, &t)
		}
	}
	if first["listen_protocol_api_path"] == 0 && l.several() {
		c.ListenAPIPath = strings.TrimSuffix(c.ListenAPIPath, "/") + "/" + c.ID // they share a port
	}
	if c.ID == "" && first["id"] == 0 && l.o.Need == NeedRun {
		l.listProblem(at+".id", node.Line, "", "required; make a UUID with uuidgen and keep it")
	}
	l.target.Connectors = append(l.target.Connectors, *c)
}

// several says that the list has more than one entry.
func (l *loader) several() bool {
	e, _ := l.doc.find(keyConnectors)
	return len(deref(e.value).Content) > 1
}

// entrySetting reads one key of an entry.
func (l *loader) entrySetting(r row, path string, line int, value *yaml.Node, t *target) {
	text, err := scalarText(value, r.isList())
	switch {
	case err == nil && text == "":
		return
	case err == nil && strings.EqualFold(strings.TrimSpace(text), "ChangeMe"):
		if l.o.Need > r.For {
			return
		}
		err = errors.New("still the placeholder of the sample; write your own value")
	}
	var canonical string
	if err == nil {
		canonical, err = l.parse(r, text, t)
	}
	if err != nil {
		if errors.As(err, new(unshown)) {
			text = ""
		}
		l.listProblem(path, line, text, err.Error())
		return
	}
	l.target.values = append(l.target.values, Value{YAML: path, Value: canonical, Origin: l.doc.where(line)})
}

// entryRows are the settings of an entry by their key.
func entryRows() map[string]row {
	rows := map[string]row{}
	for _, r := range append(connectorRows(), maxTLPRow()) {
		rows[strings.TrimPrefix(r.YAML, "connector.")] = r
	}
	return rows
}

// listProblem adds a problem of the list.
func (l *loader) listProblem(path string, line int, value, text string) {
	p := Problem{Name: path, Where: l.doc.where(line), Text: oneLine(text), rank: l.rank("CONNECTOR_ID")}
	if value != "" {
		p.Value = shown(value)
	}
	l.problems = append(l.problems, p)
}
