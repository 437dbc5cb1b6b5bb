package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/inkan-auth/inkan/internal/domain/ident"
	"github.com/inkan-auth/inkan/internal/domain/problem"
	"github.com/inkan-auth/inkan/internal/domain/transaction"
	"github.com/inkan-auth/inkan/internal/server/web"
)

const contractFile = "../../../docs/api/openapi.yaml"

// wire is everything that goes over the wire, by its name in the code, with the name of its schema.
var wire = map[string]struct {
	schema  string
	request bool
	of      reflect.Type
}{
	"otpRequest": {"OTPRequest", true, reflect.TypeFor[otpRequest]()}, "otpAnswer": {"OTPAnswer", false, reflect.TypeFor[otpAnswer]()},
	"newTransaction": {"NewTransaction", true, reflect.TypeFor[newTransaction]()}, "transactionAnswer": {"Transaction", false, reflect.TypeFor[transactionAnswer]()},
	"created": {"Transaction", false, reflect.TypeFor[created]()}, "display": {"Display", false, reflect.TypeFor[display]()}, "field": {"Field", false, reflect.TypeFor[field]()},
	"empty": {"Empty", true, reflect.TypeFor[empty]()}, "offlineCode": {"OfflineCode", true, reflect.TypeFor[offlineCode]()}, "execution": {"Execution", true, reflect.TypeFor[execution]()},
	"permitAnswer": {"Permit", false, reflect.TypeFor[permitAnswer]()}, "authAnswer": {"TransactionAuthentication", false, reflect.TypeFor[authAnswer]()}, "reportsAnswer": {"Reports", false, reflect.TypeFor[reportsAnswer]()},
	"stopRequest": {"StopRequest", true, reflect.TypeFor[stopRequest]()}, "stopAnswer": {"StopAnswer", false, reflect.TypeFor[stopAnswer]()}, "assuranceAnswer": {"Assurance", false, reflect.TypeFor[assuranceAnswer]()},
	"serviceState": {"ServiceState", false, reflect.TypeFor[serviceState]()}, "tokenState": {"TokenState", false, reflect.TypeFor[tokenState]()}, "passkeyCount": {"PasskeyCount", false, reflect.TypeFor[passkeyCount]()},
	"lastLogin": {"LastLogin", false, reflect.TypeFor[lastLogin]()}, "coolingAnswer": {"CoolingOff", false, reflect.TypeFor[coolingAnswer]()}, "changeAnswer": {"Change", false, reflect.TypeFor[changeAnswer]()},
	"releaseAnswer": {"ReleaseRequest", false, reflect.TypeFor[releaseAnswer]()}, "releasesAnswer": {"ReleaseRequests", false, reflect.TypeFor[releasesAnswer]()},
	"phoneRequest": {"PhoneEvent", true, reflect.TypeFor[phoneRequest]()}, "phoneAnswer": {"PhoneReply", false, reflect.TypeFor[phoneAnswer]()},
	"transaction.Evidence": {"Evidence", false, reflect.TypeFor[transaction.Evidence]()},
}

func schemaOf(t reflect.Type) string {
	for _, w := range wire {
		if w.of == t {
			return w.schema
		}
	}
	return "no schema for " + t.String()
}

// contract is the document as it was read.
type contract map[string]any

func parseContract(text []byte) (contract, error) {
	var c object // not a contract: all levels would be of that type
	err := yaml.Unmarshal(text, &c)
	return c, err
}

func readContract(t testing.TB) contract {
	t.Helper()
	text, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseContract(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type object = map[string]any

// in follows names downwards; what is not there is nothing.
func in(v any, names ...string) any {
	for _, n := range names {
		switch m := v.(type) {
		case object:
			v = m[n]
		case contract:
			v = m[n]
		default:
			return nil
		}
	}
	return v
}

// get follows a reference, if there is one.
func (c contract) get(v any) object {
	m, _ := v.(object)
	if ref, ok := m["$ref"].(string); ok {
		m, _ = in(c, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...).(object)
	}
	return m
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

// operations are the doors of the document by "METHOD /path".
func (c contract) operations() map[string]object {
	out := map[string]object{}
	paths, _ := c["paths"].(object)
	for path, item := range paths {
		all, _ := item.(object)
		for method, op := range all {
			if m, ok := op.(object); ok && method != "parameters" {
				out[strings.ToUpper(method)+" "+path] = m
			}
		}
	}
	return out
}

// parameters are those of an operation and of its path.
func (c contract) parameters(pattern string) (out []object) {
	method, path, _ := strings.Cut(pattern, " ")
	for _, list := range []any{in(c, "paths", path, "parameters"), in(c, "paths", path, strings.ToLower(method), "parameters")} {
		all, _ := list.([]any)
		for _, p := range all {
			out = append(out, c.get(p))
		}
	}
	return out
}

// refusals are the kinds of an operation by status.
func (c contract) refusals(op object) map[int][]string {
	out := map[int][]string{}
	responses, _ := op["responses"].(object)
	for status, r := range responses {
		if n, err := strconv.Atoi(status); err == nil && n >= 400 {
			out[n] = texts(c.get(r)["x-problems"])
		}
	}
	return out
}

// door is one route as the code has it.
type door struct{ pattern, request, answer, scope string }

// source is what the tests read out of the code of this package.
type source struct {
	doors   []door
	structs []string        // with members that have names in JSON
	reads   map[string]bool // "query wait", "header Idempotency-Key"
}

func readSource(t testing.TB) (s source) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	s.reads = map[string]bool{}
	methods, scopes := map[string]*ast.FuncDecl{}, map[string]string{}
	handlers := map[string]string{} // by pattern
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				methods[n.Name.Name] = n
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "Scope") && i < len(n.Values) {
						scopes[name.Name] = literal(n.Values[i])
					}
				}
			case *ast.TypeSpec:
				if st, ok := n.Type.(*ast.StructType); ok && slices.ContainsFunc(st.Fields.List, func(f *ast.Field) bool { return f.Tag != nil && strings.Contains(f.Tag.Value, "json:") }) {
					s.structs = append(s.structs, n.Name.Name)
				}
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					break
				}
				switch {
				case (sel.Sel.Name == "Handle" || sel.Sel.Name == "HandleFunc") && len(n.Args) == 2:
					handler := ""
					if json, ok := n.Args[1].(*ast.CallExpr); ok && len(json.Args) == 2 {
						if f, ok := json.Args[1].(*ast.SelectorExpr); ok {
							handler = f.Sel.Name
						}
					}
					handlers[literal(n.Args[0])] = handler
				case sel.Sel.Name == "Get" && len(n.Args) == 1:
					if of, ok := sel.X.(*ast.SelectorExpr); ok && of.Sel.Name == "Header" {
						s.reads["header "+literal(n.Args[0])] = true
					} else if _, ok := sel.X.(*ast.CallExpr); ok {
						s.reads["query "+literal(n.Args[0])] = true
					}
				}
			}
			return true
		})
	}
	delete(s.reads, "header Authorization") // described by the security schemes
	for pattern, name := range handlers {
		f := methods[name]
		if f == nil || len(f.Type.Params.List) != 2 || len(f.Type.Results.List) != 2 {
			t.Fatalf("%s is handled by %q, which this test cannot read", pattern, name)
		}
		d := door{pattern: pattern, request: typeName(f.Type.Params.List[1].Type), answer: typeName(f.Type.Results.List[0].Type)}
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 2 {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "caller" {
					d.scope = scopes[typeName(call.Args[1])]
				}
			}
			return true
		})
		s.doors = append(s.doors, d)
	}
	slices.SortFunc(s.doors, func(a, b door) int { return strings.Compare(a.pattern, b.pattern) })
	return s
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok {
		if s, err := strconv.Unquote(l.Value); err == nil {
			return s
		}
	}
	return ""
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	}
	return ""
}

// drift is every difference between the document and the code.
func drift(c contract, s source) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if v, _ := c["openapi"].(string); !strings.HasPrefix(v, "3.1.") {
		say("the document is of the version %q", v)
	}
	operations := c.operations()
	for _, d := range s.doors {
		op, ok := operations[d.pattern]
		if !ok {
			say("%s is not described", d.pattern)
			continue
		}
		for _, x := range driftOfDoor(c, d, op) {
			say("%s: %s", d.pattern, x)
		}
	}
	for pattern := range operations {
		if !slices.ContainsFunc(s.doors, func(d door) bool { return d.pattern == pattern }) {
			say("%s is described and not mounted", pattern)
		}
	}

	for _, name := range s.structs {
		if _, ok := wire[name]; !ok {
			say("%s goes over the wire and is not known here", name)
		}
	}
	for name, w := range wire {
		for _, x := range driftOfSchema(c, w.of, w.schema, w.request) {
			say("%s (%s): %s", w.schema, name, x)
		}
	}
	var states []string
	for _, x := range transaction.States {
		states = append(states, string(x))
	}
	if got := texts(in(c, "components", "schemas", "State", "enum")); !slices.Equal(got, states) {
		say("the states are %v, in the code %v", got, states)
	}

	described := map[string]bool{}
	for pattern := range operations {
		for _, p := range c.parameters(pattern) {
			if where := fmt.Sprint(p["in"]); where != "path" {
				described[where+" "+fmt.Sprint(p["name"])] = true
			}
		}
	}
	if !maps.Equal(described, s.reads) {
		say("the parameters are %v, the code reads %v", described, s.reads)
	}

	// The table of kinds in the text, and the kinds of the operations.
	named := map[string]bool{}
	for _, op := range operations {
		for _, kinds := range c.refusals(op) {
			for _, k := range kinds {
				named[k] = true
			}
		}
	}
	table := map[string]bool{}
	text, _ := in(c, "info", "description").(string)
	_, text, _ = strings.Cut(text, "\n## Refusals")
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(text, -1) {
		table[m[1]] = true
	}
	if !maps.Equal(named, table) {
		say("the table of kinds has %v, the operations %v", slices.Sorted(maps.Keys(table)), slices.Sorted(maps.Keys(named)))
	}
	said, _ := in(c, "components", "securitySchemes", "assertion", "description").(string)
	for _, scope := range Scopes {
		if !strings.Contains(said, "`"+scope+"`") {
			say("the scope %s is not named", scope)
		}
	}
	slices.Sort(found)
	return found
}

func driftOfDoor(c contract, d door, op object) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if name, _ := op["operationId"].(string); name == "" {
		say("it has no name")
	}

	// What is sent.
	body, _ := op["requestBody"].(object)
	schema, _ := in(body, "content", "application/json", "schema", "$ref").(string)
	switch {
	case d.request == "web.Nothing" && body != nil:
		say("a body is described where none is read")
	case d.request != "web.Nothing" && (schema != "#/components/schemas/"+wire[d.request].schema || body["required"] != true):
		say("the request is %q (required %v), in the code %s", schema, body["required"], d.request)
	}

	// What is answered.
	status := http.StatusOK
	if x, ok := reflect.Zero(wire[d.answer].of).Interface().(web.StatusCoder); ok {
		status = x.StatusCode()
	}
	responses, _ := op["responses"].(object)
	for code, r := range responses {
		n, err := strconv.Atoi(code)
		if err != nil {
			say("the status %q is none", code)
			continue
		}
		r := c.get(r)
		if said, _ := r["description"].(string); said == "" {
			say("%d is not described", n)
		}
		if n < 400 {
			if schema, _ := in(r, "content", "application/json", "schema", "$ref").(string); n != status || schema != "#/components/schemas/"+wire[d.answer].schema {
				say("%d answers %q, the code answers %d %s", n, schema, status, d.answer)
			}
			continue
		}
		if schema, _ := in(r, "content", "application/problem+json", "schema", "$ref").(string); schema != "#/components/schemas/Problem" {
			say("%d is no problem document but %q", n, schema)
		}
		kinds := texts(r["x-problems"])
		if len(kinds) == 0 {
			say("%d names no kind", n)
		}
		for _, k := range kinds {
			if !slices.Contains(problem.Kinds(), problem.Kind(k)) {
				say("there is no kind %s", k)
			} else if web.Status(problem.Kind(k)) != n {
				say("%s has the status %d, not %d", k, web.Status(problem.Kind(k)), n)
			}
		}
	}
	if _, ok := responses[strconv.Itoa(status)]; !ok {
		say("the answer %d is not described", status)
	}
	always := []problem.Kind{problem.BadClient, problem.Forbidden, problem.Unavailable}
	if d.request != "web.Nothing" {
		always = append(always, problem.Malformed)
	}
	for _, k := range always {
		if !slices.Contains(c.refusals(op)[web.Status(k)], string(k)) {
			say("it can be refused as %s", k)
		}
	}

	// Who may, and where.
	var schemes []string
	security, _ := op["security"].([]any)
	for _, way := range security {
		m, _ := way.(object)
		for name, scopes := range m {
			schemes = append(schemes, name)
			if in(c, "components", "securitySchemes", name) == nil {
				say("there is no security scheme %s", name)
			}
			if !slices.Equal(texts(scopes), []string{d.scope}) {
				say("%s needs the scopes %v, in the code %s", name, texts(scopes), d.scope)
			}
		}
	}
	slices.Sort(schemes)
	if !slices.Equal(schemes, []string{"assertion", "secret"}) {
		say("callers prove themselves by %v", schemes)
	}
	var places []string
	for _, p := range c.parameters(d.pattern) {
		if p["in"] == "path" {
			places = append(places, fmt.Sprint(p["name"]))
			if p["required"] != true {
				say("the place %v must be required", p["name"])
			}
		}
		if p["schema"] == nil {
			say("the parameter %v has no schema", p["name"])
		}
	}
	var want []string
	for _, m := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(d.pattern, -1) {
		want = append(want, m[1])
	}
	if !slices.Equal(places, want) {
		say("the places in the path are %v, want %v", places, want)
	}

	// The examples are of the very types: a reader will copy them.
	for _, x := range []struct {
		media any
		name  string
	}{{in(body, "content", "application/json"), d.request}, {in(responses, strconv.Itoa(status), "content", "application/json"), d.answer}} {
		examples, _ := in(x.media, "examples").(object)
		for name, e := range examples {
			text, err := json.Marshal(in(e, "value"))
			dec := json.NewDecoder(bytes.NewReader(text))
			dec.DisallowUnknownFields()
			if err == nil {
				err = dec.Decode(reflect.New(wire[x.name].of).Interface())
			}
			if err != nil {
				say("the example %s is no %s: %v", name, x.name, err)
			}
			for _, y := range invalid(c, object{"$ref": "#/components/schemas/" + wire[x.name].schema}, in(e, "value"), name) {
				say("the example %s", y)
			}
		}
	}
	for code, r := range responses {
		examples, _ := in(c.get(r), "content", "application/problem+json", "examples").(object)
		for name, e := range examples {
			value, _ := in(e, "value").(object)
			kind := strings.TrimPrefix(fmt.Sprint(value["type"]), "urn:inkan:problem:")
			if fmt.Sprint(value["status"]) != code || !slices.Contains(texts(c.get(r)["x-problems"]), kind) {
				say("the example %s is of another kind or status", name)
			}
			for _, y := range invalid(c, object{"$ref": "#/components/schemas/Problem"}, in(e, "value"), name) {
				say("the example %s", y)
			}
		}
	}
	return found
}

// driftOfSchema compares a struct with its schema.
func driftOfSchema(c contract, of reflect.Type, name string, request bool) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	schema, ok := in(c, "components", "schemas", name).(object)
	if !ok {
		return []string{"it is not described"}
	}
	properties, _ := schema["properties"].(object)
	if schema["type"] != "object" {
		say("it is a %v", schema["type"])
	}
	if closed := schema["additionalProperties"] == false; closed != request { // requests are read strictly; answers may grow
		say("additionalProperties is %v", schema["additionalProperties"])
	}
	var members, optional []string
	for i := range of.NumField() {
		member, more, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if more == "omitempty" && !request {
			optional = append(optional, member)
		} else if more != "" || member == "" {
			say("%s has a tag that this test does not know", of.Field(i).Name)
		}
		members = append(members, member)
		p, ok := properties[member]
		if !ok {
			say("%s is not described", member)
			continue
		}
		if want := shape(c, p); want != shapeOf(of.Field(i).Type) {
			say("%s is %s, in the code %s", member, want, shapeOf(of.Field(i).Type))
		}
	}
	for p := range properties {
		if !slices.Contains(members, p) {
			say("%s is described and not in the code", p)
		}
	}
	required := texts(schema["required"])
	slices.Sort(required)
	members = slices.DeleteFunc(members, func(m string) bool { return slices.Contains(optional, m) })
	slices.Sort(members)
	if !slices.Equal(required, members) {
		say("required is %v, want %v", required, members)
	}
	return found
}

// shapeOf writes a Go type in the words of a schema.
func shapeOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "array of " + shapeOf(t.Elem())
	case reflect.Map:
		return "map of " + shapeOf(t.Elem())
	case reflect.Struct:
		return schemaOf(t)
	}
	return t.String()
}

// shape writes a schema in the same words.
func shape(c contract, v any) string {
	m, _ := v.(object)
	s := c.get(m)
	switch {
	case s["type"] == "array":
		return "array of " + shape(c, s["items"])
	case s["type"] == "object" && s["additionalProperties"] != nil:
		return "map of " + shape(c, s["additionalProperties"])
	case s["type"] == "object":
		ref, _ := m["$ref"].(string)
		return strings.TrimPrefix(ref, "#/components/schemas/")
	}
	return fmt.Sprint(s["type"])
}

// invalid is what a value has otherwise than a schema wants it, as far as our document uses schemas.
func invalid(c contract, schema, value any, at string) (found []string) {
	say := func(format string, args ...any) { found = append(found, at+" "+fmt.Sprintf(format, args...)) }
	s := c.get(schema)
	ok := true
	switch s["type"] {
	case "string":
		_, ok = value.(string)
	case "boolean":
		_, ok = value.(bool)
	case "integer":
		switch n := value.(type) {
		case int:
		case float64:
			ok = n == float64(int(n))
		default:
			ok = false
		}
	case "array":
		var list []any
		list, ok = value.([]any)
		for i, x := range list {
			found = append(found, invalid(c, s["items"], x, at+"["+strconv.Itoa(i)+"]")...)
		}
	case "object":
		var m object
		m, ok = value.(object)
		properties, _ := s["properties"].(object)
		for _, r := range texts(s["required"]) {
			if _, there := m[r]; ok && !there {
				say("lacks %s", r)
			}
		}
		for name, x := range m {
			if p, known := properties[name]; known {
				found = append(found, invalid(c, p, x, at+"."+name)...)
			} else if more, isSchema := s["additionalProperties"].(object); isSchema {
				found = append(found, invalid(c, more, x, at+"."+name)...)
			} else { // also in answers: there the document would be behind
				say("has %s, which is not described", name)
			}
		}
	default:
		ok = false
	}
	if !ok {
		say("is no %v: %v", s["type"], value)
	}
	if s["enum"] != nil && !slices.Contains(texts(s["enum"]), fmt.Sprint(value)) {
		say("is %v, want one of %v", value, s["enum"])
	}
	if s["const"] != nil && s["const"] != value {
		say("is %v, want %v", value, s["const"])
	}
	if p, is := s["pattern"].(string); is && !regexp.MustCompile(p).MatchString(fmt.Sprint(value)) {
		say("is %v, want %s", value, p)
	}
	return found
}

// TestTheContractIsTheCode holds docs/api/openapi.yaml and this package together: doors, scopes, requests, answers, refusals.
func TestTheContractIsTheCode(t *testing.T) {
	c, s := readContract(t), readSource(t)
	for _, x := range drift(c, s) {
		t.Error(x)
	}
	if len(s.doors) < 8 || len(s.structs) < 10 {
		t.Errorf("only %d doors and %d structs were found", len(s.doors), len(s.structs))
	}
	m := http.NewServeMux()
	(&Server{}).Mount(m)
	for _, d := range s.doors {
		method, path, _ := strings.Cut(d.pattern, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, strings.NewReplacer("{id}", "x", "{ref}", "x").Replace(path), nil)
		if _, got := m.Handler(r); got != d.pattern {
			t.Errorf("%s is answered by %q", d.pattern, got)
		}
	}
	id, _ := in(c, "components", "parameters", "TransactionID", "example").(string)
	pattern, _ := in(c, "components", "parameters", "TransactionID", "schema", "pattern").(string)
	if ident.Check(ident.Transaction, id) != nil || !regexp.MustCompile(pattern).MatchString(id) {
		t.Errorf("%s is no identifier of a transaction", id)
	}
	answer, _ := in(c, "paths", "/v1/transactions", "post", "responses", "201", "content", "application/json", "examples", "pending", "value").(object)
	if answer["id"] != id || answer["reference"] != transaction.Reference(id) {
		t.Errorf("the example has the reference %v, want %s", answer["reference"], transaction.Reference(id))
	}
	key, _ := in(c, "components", "parameters", "IdempotencyKey", "schema", "pattern").(string)
	request, _ := in(c, "components", "schemas", "Execution", "properties", "request", "pattern").(string)
	if key == "" || key != request {
		t.Errorf("keys are %q, requests %q; the code has one form for both", key, request)
	}
}

// TestTheContractSeesEveryDrift: the comparison is itself held to account. Each change of the document is one that the code could as well have made.
func TestTheContractSeesEveryDrift(t *testing.T) {
	text, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	s := readSource(t)
	for name, change := range map[string][2]string{
		"a door less":                      {"  /v1/otp/verifications:", "  /v2/otp/verifications:"},
		"another method":                   {"    get:\n      tags: [customers]", "    put:\n      tags: [customers]"},
		"another place in the path":        {"    - name: ref\n        in: path", "    - name: reference\n        in: path"},
		"a member more":                    {"        reference: {type: string, description: \"The short", "        colour: {type: string}\n        reference: {type: string, description: \"The short"},
		"a member less":                    {"        en: {type: string}\n", ""},
		"a member of another name":         {"        in_use: {type: boolean", "        inUse: {type: boolean"},
		"a member of another type":         {"        stopped: {type: boolean", "        stopped: {type: string"},
		"another list":                     {"items: {$ref: \"#/components/schemas/Field\"}", "items: {type: string}"},
		"another map":                      {"device_key: {type: object, additionalProperties: {type: string}", "device_key: {type: object, additionalProperties: {type: boolean}"},
		"not required":                     {"required: [v, offer, decision,", "required: [v, offer,"},
		"required and not there":           {"required: [accepted]", "required: [accepted, code]"},
		"an open request":                  {"    OfflineCode:\n      type: object\n      additionalProperties: false", "    OfflineCode:\n      type: object\n      additionalProperties: true"},
		"a closed answer":                  {"    OTPAnswer:\n      type: object", "    OTPAnswer:\n      type: object\n      additionalProperties: false"},
		"another request":                  {"schema: {$ref: \"#/components/schemas/Empty\"}", "schema: {$ref: \"#/components/schemas/OfflineCode\"}"},
		"another answer":                   {"schema: {$ref: \"#/components/schemas/Permit\"}", "schema: {$ref: \"#/components/schemas/Transaction\"}"},
		"another status":                   {"        \"201\":", "        \"200\":"},
		"no such kind":                     {"x-problems: [transaction-lapsed]", "x-problems: [transaction-too-late]"},
		"a kind at another status":         {"x-problems: [transaction-not-approved, transaction-consumed, conflict]", "x-problems: [transaction-not-approved, transaction-consumed, transaction-lapsed, conflict]"},
		"a kind that the table lacks":      {"| `otp-used` |", "| otp-used |"},
		"a kind that only the table has":   {"| `otp-used` |", "| `busy` | | |\n    | `otp-used` |"},
		"no malformed":                     {"          description: The body is not `{}`.\n          x-problems: [malformed]", "          description: The body is not `{}`.\n          x-problems: []"},
		"another scope":                    {"- assertion: [\"transaction:consume\"]", "- assertion: [\"transaction:create\"]"},
		"one way to prove oneself":         {"        - secret: [\"customer:read\"]\n", ""},
		"a scope that is not named":        {"`evidence:read`, ", ""},
		"a state less":                     {"enum: [pending, approved, rejected,", "enum: [pending, approved,"},
		"a parameter that is not read":     {"        - name: state\n          in: query", "        - name: since\n          in: query"},
		"a header that is not read":        {"      name: Idempotency-Key\n", "      name: X-Idempotency-Key\n"},
		"a body that is not read":          {"      operationId: readEvidence\n", "      operationId: readEvidence\n      requestBody: {content: {}}\n"},
		"an example with a member more":    {"examples: {digits: {value: {code: \"01234567\"}}}", "examples: {digits: {value: {code: \"01234567\", pin: \"1\"}}}"},
		"an example of another type":       {"value: {required: true, in_use: true, stopped: false}", "value: {required: \"true\", in_use: true, stopped: false}"},
		"an example of another kind":       {"type: urn:inkan:problem:permit-mismatch", "type: urn:inkan:problem:otp-wrong"},
		"an example with a number as text": {"payee.bank_code: \"0190\"", "payee.bank_code: 190"},
		"no problem document":              {"      x-problems: [unavailable]\n      content: {application/problem+json:", "      x-problems: [unavailable]\n      content: {application/json:"},
	} {
		if !bytes.Contains(text, []byte(change[0])) {
			t.Errorf("%s: the document has no %q", name, change[0])
			continue
		}
		c, err := parseContract(bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(drift(c, s)) == 0 {
			t.Errorf("%s is not seen", name)
		}
	}
	// And from the side of the code.
	whole := readContract(t)
	for name, change := range map[string]func(s *source){
		"a door more": func(s *source) {
			s.doors = append(s.doors, door{"GET /v1/more", "web.Nothing", "otpAnswer", ScopeVerifyOTP})
		},
		"another scope":         func(s *source) { s.doors[0].scope = ScopeVerifyOTP + "x" },
		"another request":       func(s *source) { s.doors[len(s.doors)-1].request = "empty" },
		"another answer":        func(s *source) { s.doors[0].answer = "otpAnswer" },
		"a struct more":         func(s *source) { s.structs = append(s.structs, "secretAnswer") },
		"a header more is read": func(s *source) { s.reads = map[string]bool{"header X-More": true} },
	} {
		changed := source{slices.Clone(s.doors), slices.Clone(s.structs), s.reads}
		change(&changed)
		if len(drift(whole, changed)) == 0 {
			t.Errorf("%s in the code is not seen", name)
		}
	}
}
