package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/inkan-auth/inkan/client"
)

// A transfer from the order to the booking.
func Example() {
	api := httptest.NewServer(http.HandlerFunc(exampleAPI)) // in your program: the server's API
	defer api.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader) // in your program: the key whose public half is registered
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	c := &client.Client{Origin: api.URL, ID: "core-banking", Key: key}

	// The order as the bank has it. Everything that follows is made from here.
	fields := map[string]string{
		"from.account": "本店 普通 1234567", "payee.bank": "みどり銀行", "payee.bank_code": "0991", "payee.branch": "駅前支店", "payee.branch_code": "011",
		"payee.type": "ordinary", "payee.account": "7654321", "payee.name": "ヤマモト ケンジ", "amount": "250000", "fee": "165", "date": "2026-11-25",
	}

	// Ask the customer. The key was made with the order, so a second click asks for nothing new.
	t, err := c.CreateTransaction(ctx, "order-4711", client.NewTransaction{Customer: "0101-1-1000001", Template: "transfer", Currency: "JPY", Fields: fields})
	var no *client.Problem
	switch {
	case errors.As(err, &no):
		fmt.Println("not asked:", no.Kind) // tell the customer why; nothing was done
		return
	case err != nil:
		fmt.Println("nobody knows; ask again with the same key:", err)
		return
	}
	fmt.Println("open the app; reference", t.Reference)

	for t.State == client.Pending {
		if t, err = c.WaitTransaction(ctx, t.ID, t.State, 25*time.Second); err != nil {
			fmt.Println(err)
			return
		}
	}
	if t.State != client.Approved {
		fmt.Println("nothing is executed:", t.State)
		return
	}

	// Execute: first the permit, then the booking under the same request id.
	p, err := c.Consume(ctx, t.ID, client.Execution{Request: "order-4711", Customer: "0101-1-1000001", Template: "transfer", Currency: "JPY", Fields: fields})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("book order-4711 and keep its permit", p.JWS)
	// Output:
	// open the app; reference ABCD-EFGH
	// book order-4711 and keep its permit e30.e30.c2ln
}

func exampleAPI(w http.ResponseWriter, r *http.Request) {
	state := "pending"
	if r.URL.Query().Has("wait") {
		state = "approved" // the customer has looked at her phone
	}
	t := `{"id":"txn_4711","state":"` + state + `","reference":"ABCD-EFGH"}`
	if strings.HasSuffix(r.URL.Path, "/consume") {
		t = `{"permit":"e30.e30.c2ln","transaction":` + t + `}`
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, t)
}
