// Package card is the question that the bank's core answers for a customer who has lost her phone: are this cash card's account and PIN right?
package card

// Check is the question. The PIN is the caller's: whoever sees it forgets it with the answer, and nobody writes it down.
type Check struct {
	Request       string // the same for the same question, however often it is sent, so that a lost answer costs the customer no try at the bank
	Branch        string
	AccountType   string
	AccountNumber string
	PIN           []byte
}

// Result is the answer. A wrong card and a wrong PIN are told apart by nobody.
type Result struct {
	Ref   string // the bank's own reference of the customer whose representative account it is; empty where the card is not right
	Right bool
}
