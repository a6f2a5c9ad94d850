//! The HTTP interface over real sockets: a server in this process for each test, on a port and a data
//! folder of its own. One binary for all of it, because each binary links the whole store.

#[path = "http_suite/appending.rs"]
mod appending;
#[path = "http_suite/archiving.rs"]
mod archiving;
#[path = "http_suite/connections.rs"]
mod connections;
#[path = "http_suite/description.rs"]
mod description;
#[path = "http_suite/following.rs"]
mod following;
#[path = "http_suite/ndjson.rs"]
mod ndjson;
#[path = "http_suite/numbers.rs"]
mod numbers;
#[path = "http_suite/order.rs"]
mod order;
#[path = "http_suite/places.rs"]
mod places;
#[path = "http_suite/reading.rs"]
mod reading;
#[path = "http_suite/rights.rs"]
mod rights;
#[path = "http_suite/starting.rs"]
mod starting;
#[path = "http_suite/stopping.rs"]
mod stopping;
#[path = "http_suite/support.rs"]
mod support;
