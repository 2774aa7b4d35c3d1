// Package middleware is what happens around every request, whatever its route.
//
// It owns one file per step. It refuses business and does not know how an error looks: what it has
// to answer itself it hands to a function that the router gives it. The router applies the steps in
// this order, the first being the outermost:
//
//  1. RequestID, so that everything after it, errors too, can name the request;
//  2. Trace, if anything is traced, around all that takes time and has a status, so that the line of the
//     log and every error can name the trace;
//  3. AccessLog, so that whatever happens further in leaves exactly one line;
//  4. Recover, inside the log, so that a panic is logged with the status that it was answered with;
//  5. Drain, which says `Connection: close` while the service stops;
//  6. Framing, which says it to requests whose end two readers could see in two places.
//
// Routes about users have more of them, in this order:
//
//  1. limit.Flight, before anything that costs more than to refuse;
//  2. limit.Door, before anybody looks at credentials: who has failed too often at an address is refused
//     there, so that no failure is free;
//  3. whatever finds out who the caller is;
//  4. limit.Step behind that, because it charges the caller and not his address, and before his scopes
//     are looked at, so that to be refused costs as much as to be served.
package middleware
