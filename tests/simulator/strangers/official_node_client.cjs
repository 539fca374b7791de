// Run by test_strangers in an environment of its own: the exchange's own TypeScript client trades on a simulator.
const { randomUUID } = require("node:crypto");
const kalshi = require("kalshi-typescript");

const [keyId, keyFile, rest] = process.argv.slice(2);
const TICKER = "KXHIGHNY-26JUL20-B82.5";
const configuration = new kalshi.Configuration({ apiKey: keyId, privateKeyPath: keyFile, basePath: rest });
const events = new kalshi.EventsApi(configuration);
const markets = new kalshi.MarketApi(configuration);
const orders = new kalshi.OrdersApi(configuration);
const portfolio = new kalshi.PortfolioApi(configuration);
const historical = new kalshi.HistoricalApi(configuration);
const number = (value) => Number(value).toFixed(4);
const now = Math.floor(Date.now() / 1000);
let id = "";

const order = (price, count, tif = "good_till_canceled") => ({
  ticker: TICKER, client_order_id: randomUUID(), side: "bid", count, price, time_in_force: tif,
  self_trade_prevention_type: "taker_at_cross",
});
const steps = {
  events: async () => (await events.getEvents(200)).data.events.length,
  markets: async () => (await markets.getMarkets(1000)).data.markets.length,
  book: async () => number((await markets.getMarketOrderbook(TICKER)).data.orderbook_fp.yes_dollars.at(-1)[0]),
  take: async () => {
    const { data } = await orders.createOrderV2(order("0.42", "5", "immediate_or_cancel"));
    return [number(data.fill_count), number(data.remaining_count)];
  },
  rest: async () => {
    const { data } = await orders.createOrderV2(order("0.10", "4"));
    id = data.order_id;
    return [number(data.fill_count), number(data.remaining_count)];
  },
  amend: async () => {
    await orders.amendOrderV2(id, { ticker: TICKER, side: "bid", price: "0.11", count: "4" });
    return number((await orders.getOrder(id)).data.order.yes_price_dollars);
  },
  decrease: async () => number((await orders.decreaseOrderV2(id, { reduce_by: "1" })).data.remaining_count),
  batch: async () => {
    const made = (await orders.batchCreateOrdersV2({ orders: [order("0.05", "1"), order("0.06", "1")] })).data.orders;
    const gone = await orders.batchCancelOrdersV2({ orders: made.map((item) => ({ order_id: item.order_id })) });
    return [made.length, gone.data.orders.length];
  },
  cancel: async () => number((await orders.cancelOrderV2(id)).data.reduced_by),
  fills: async () => (await portfolio.getFills()).data.fills.length,
  positions: async () => (await portfolio.getPositions()).data.market_positions.map((p) => number(p.position_fp)),
  candles: async () =>
    (await markets.getMarketCandlesticks("KXHIGHNY", TICKER, now - 3600, now + 3600, 60)).data.candlesticks.length,
  historical: async () => (await historical.getHistoricalMarkets()).data.markets.length,
};

(async () => {
  const found = {};
  for (const [name, step] of Object.entries(steps)) {
    try {
      found[name] = await step();
    } catch (error) {
      const told = error.response ? JSON.stringify(error.response.data) : "";
      found[name] = { error: `${error.name}: ${error.message} ${told}`.slice(0, 400) };
    }
  }
  console.log(JSON.stringify(found));
})();
