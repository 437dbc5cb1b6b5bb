package bank

// kind is what an order is about, by the name of the template by which the app shows it.
type kind string

// What a customer can order with her approval in the app.
const (
	transferKind kind = "transfer"
	payeeKind    kind = "payee"
	limitKind    kind = "limit"
)

// pathOf says where the pages of each kind are.
var pathOf = map[kind]string{transferKind: "/transfers", payeeKind: "/payees", limitKind: "/limits"}

// formOf says where the form of each kind is.
var formOf = map[kind]string{transferKind: "/transfers/new", payeeKind: "/payees/new", limitKind: "/limits"}

// deed is what an order does once the customer has approved it. It is complete when the order is made and never changes: everything that is shown, asked for,
// consumed and done is made from it and never from a form that comes later. What happens around it – asking, waiting, the permit, lost answers – is the same for all.
type deed interface {
	kind() kind
	// fields is the deed in the words of the transaction API.
	fields(ja map[string]string) map[string]string
	// hindrance is the key of the text that says why it cannot be done as things stand; empty if it can. It spares the customer a question; it decides nothing.
	hindrance(b *bank, o *order) (why string)
	// secure comes before the permit is asked for, and decides whether the deed may still be done. It can be repeated.
	secure(b *bank, o *order) (why string, err error)
	// free takes back what secure has kept for an order that gets no permit.
	free(b *bank, o *order)
	// perform does it, once by the order's id, and says where the order then stands: done, booked for its day, or failed and why.
	perform(b *bank, o *order) (to state, why string, err error)
}
