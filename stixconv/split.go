package stixconv

import (
	"cmp"
	"slices"
	"strings"
)

// maxSplitDepth bounds how far Split follows a chain of references. Deeper ones
// are kept but no longer ordered, which costs the importer a retry.
const maxSplitDepth = 10_000

// maxSeq is where the count of dependencies stops. It counts a shared
// dependency once for each path, so it can double with each object of a hostile
// bundle. The bound is the largest integer that every JSON reader keeps.
const maxSeq = 1<<53 - 1

// SplitOptions are the choices that OpenCTI's client has.
type SplitOptions struct {
	// CleanupInconsistent drops references to objects that are not in the
	// bundle. Beware: markings are such references, so data loses its TLP.
	CleanupInconsistent bool
	// EventVersion is copied to each message.
	EventVersion string
}

// Split cuts a bundle into messages of one object, as OpenCTI's client does:
// objects that others refer to come first, references that would close a circle
// are removed, and so are references to types that OpenCTI does not know.
// Objects that it cannot import are left out; incompatible lists their ids.
//
// The rules are the client's down to its oddities (a circle of three objects
// stays, a dependency counts once per path), because the worker on the other
// side runs the same code. Only the order of ties may differ: a Go map does not
// know the order of its keys, so they are taken sorted.
//
// The input is not changed. The messages share what they did not have to change with it.
func Split(bundle Bundle, opts SplitOptions) (messages []Bundle, incompatible []string) {
	s := newSplitter(bundle.Objects, opts)
	for _, object := range bundle.Objects {
		n := s.nodes[text(object, "id")]
		if n == nil {
			s.incompatible = append(s.incompatible, "")
			continue
		}
		s.root = n
		s.visit(n, 0)
	}
	slices.SortStableFunc(s.ready, func(a, b *node) int { return cmp.Compare(a.deps, b.deps) })

	id := bundle.ID
	if id == "" {
		id = bundleID(bundle.Objects)
	}
	messages = make([]Bundle, len(s.ready))
	for i, n := range s.ready {
		messages[i] = Bundle{ID: id, Objects: []Object{n.object}, Seq: n.deps, EventVersion: opts.EventVersion}
	}
	return messages, s.incompatible
}

// node is one object of the bundle on its way into a message.
type node struct {
	id string
	// object is a copy, rewritten key by key while the node is visited.
	object Object
	// deps counts the node and all that it stands on, once per path.
	deps int64
	// onPath: a visit of the node is under way, below the root of the walk.
	onPath bool
	done   bool
}

// edge is a reference that was followed.
type edge struct{ from, to *node }

type splitter struct {
	opts SplitOptions
	// nodes by id, and by the platform's internal ids.
	nodes map[string]*node
	edges map[edge]struct{}
	// root is where the current walk began. As in the client it does not count as
	// part of its own path, so a long circle may enter it once more.
	root         *node
	ready        []*node
	incompatible []string
}

// newSplitter indexes the objects; of several with one id the last one counts.
func newSplitter(objects []Object, opts SplitOptions) *splitter {
	s := &splitter{
		opts:  opts,
		nodes: make(map[string]*node, len(objects)),
		edges: make(map[edge]struct{}, 2*len(objects)),
		ready: make([]*node, 0, len(objects)),
	}
	last := make(map[string]Object, len(objects))
	for _, object := range objects {
		if id := text(object, "id"); id != "" {
			last[id] = object
		}
	}
	for _, object := range objects {
		id := text(object, "id")
		if id == "" || s.nodes[id] != nil {
			continue
		}
		s.nodes[id] = &node{id: id, object: withRoom(last[id])}
	}
	for _, object := range objects {
		n := s.nodes[text(object, "id")]
		for _, internal := range [...]string{text(object, "x_opencti_id"), text(extension(object, mainExtension), "id")} {
			if n != nil && internal != "" && s.nodes[internal] == nil {
				s.nodes[internal] = n
			}
		}
	}
	return s
}

// visit rewrites the node's references, those that they lead to first, and
// gives the node's count. A node is entered at most twice (the root of a walk),
// so the work is proportional to the bundle.
func (s *splitter) visit(n *node, depth int) int64 {
	if n.done {
		return n.deps
	}
	deps := int64(1)
	var few [8]string
	for _, key := range referringKeys(n.object, few[:0]) {
		value := n.object[key]
		switch {
		case strings.HasSuffix(key, "_refs"):
			if refs, ok := list(value); ok && len(refs) > 0 {
				deps = min(maxSeq, deps+s.followAll(n, key, refs, depth))
			}
		case strings.HasSuffix(key, "_ref"):
			ref, isText := value.(string)
			count, kept := int64(0), false
			if isText {
				count, kept = s.follow(n, ref, depth)
			}
			if !kept {
				n.object[key] = nil
			}
			deps = min(maxSeq, deps+count)
		case key == "external_references":
			n.object[key] = dedupe(value, referenceKey)
		default:
			n.object[key] = dedupe(value, phaseKey)
		}
	}
	n.deps = deps
	n.object["nb_deps"] = deps
	if !n.done {
		n.done = true
		if compatible(n) {
			s.ready = append(s.ready, n)
		} else {
			s.incompatible = append(s.incompatible, n.id)
		}
	}
	return deps
}

// followAll rewrites a list of references. The list in the object grows as the
// walk goes on, because a circle may come back to the root and read it half done.
func (s *splitter) followAll(n *node, key string, refs []any, depth int) (deps int64) {
	kept := make([]any, 0, len(refs))
	var seen map[string]struct{}
	if len(refs) > 32 {
		seen = make(map[string]struct{}, len(refs))
	}
	for i, element := range refs {
		if ref, isText := element.(string); isText {
			if count, ok := s.follow(n, ref, depth); ok {
				deps = min(maxSeq, deps+count)
				kept = appendOnce(kept, seen, ref, element)
			}
		}
		if n == s.root && i < len(refs)-1 {
			n.object[key] = kept
		}
	}
	n.object[key] = kept
	return deps
}

func appendOnce(kept []any, seen map[string]struct{}, ref string, element any) []any {
	if seen == nil {
		if slices.Contains(kept, element) {
			return kept
		}
		return append(kept, element)
	}
	if _, twice := seen[ref]; twice {
		return kept
	}
	seen[ref] = struct{}{}
	return append(kept, element)
}

// follow says whether a reference stays, and what it adds to the count.
func (s *splitter) follow(n *node, ref string, depth int) (deps int64, kept bool) {
	target := s.nodes[ref]
	if !supportedID(ref) || target == nil && s.opts.CleanupInconsistent {
		return 0, false
	}
	if target == nil {
		return 0, true
	}
	if target == n || target.onPath {
		return 0, false
	}
	if _, back := s.edges[edge{target, n}]; back {
		return 0, false
	}
	s.edges[edge{n, target}] = struct{}{}
	if depth >= maxSplitDepth {
		return 0, true
	}
	target.onPath = true
	deps = s.visit(target, depth+1)
	target.onPath = false
	return deps, true
}

// compatible says whether OpenCTI can import the object with the references that it has left.
func compatible(n *node) bool {
	switch text(n.object, "type") {
	case "relationship":
		return n.object["source_ref"] != nil && n.object["target_ref"] != nil
	case "sighting":
		where, _ := list(n.object["where_sighted_refs"])
		return n.object["sighting_of_ref"] != nil && len(where) > 0
	}
	return supportedID(n.id)
}
