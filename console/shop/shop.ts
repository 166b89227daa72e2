/** The page: products to choose from, an order, and for each click a link to its trace. */
import './shop.css'
import { currentTraceId, onClick, startTelemetry } from './telemetry.ts'

interface Product {
  id: string
  name: string
  unit_price: number
  currency: string
  available: boolean
}
interface Problem {
  title: string
  detail: string
}
interface Placed {
  status: string
  order: { id: string; total: number; currency: string }
}

startTelemetry()

const product = element('product', HTMLSelectElement)
const quantity = element('quantity', HTMLInputElement)
const placeOrder = element('place-order', HTMLButtonElement)

onClick(placeOrder, order, (error) => tell('', `The order failed: ${String(error)}`))
onClick(
  element('fail', HTMLButtonElement),
  async () => {
    tell(currentTraceId(), 'Broke something, on purpose')
    throw new TypeError('The button that breaks something was clicked.')
  },
  () => {},
)
// Enter in a field is a click on the first button.
element('order', HTMLFormElement).addEventListener('submit', (event) => event.preventDefault())
listProducts().catch((error: unknown) => tell('', `There are no products to choose from: ${String(error)}`))

async function listProducts(): Promise<void> {
  const { items } = await answered<{ items: Product[] }>(await fetch('/api/v1/products'))
  for (const { id, name, unit_price, currency, available } of items) {
    const option = new Option(`${name}, ${unit_price.toFixed(2)} ${currency}`, id)
    option.disabled = !available
    product.append(option)
  }
  product.disabled = false
  placeOrder.disabled = false
}

async function order(): Promise<void> {
  const began = currentTraceId()
  if (!quantity.reportValidity()) throw new RangeError('The quantity is not between 1 and 100.')
  placeOrder.disabled = true
  try {
    const items = [{ product_id: product.value, quantity: quantity.valueAsNumber }]
    const response = await fetch('/api/v1/process', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: 1001, action: 'purchase', items }),
    })
    // The gateway may have begun a trace of its own: it is not made to continue every caller's.
    const traceId = response.headers.get('x-trace-id') ?? began
    if (!response.ok) {
      const { title, detail } = (await response.json()) as Problem
      tell(traceId, `${title}: ${detail}`)
      return
    }
    const { order } = (await response.json()) as Placed
    tell(traceId, `Order ${order.id}: ${order.total.toFixed(2)} ${order.currency}`)
  } finally {
    placeOrder.disabled = false
  }
}

async function answered<T>(response: Response): Promise<T> {
  if (!response.ok) throw new Error(`the gateway answered ${response.status}`)
  return (await response.json()) as T
}

/** A line more in the list, with a link where there is a trace. */
function tell(traceId: string, text: string): void {
  element('nothing', HTMLElement).hidden = true
  const line = document.createElement('li')
  line.append(`${text} `)
  if (traceId !== '') {
    const link = document.createElement('a')
    link.href = `/shop/trace/${traceId}`
    link.textContent = 'Show its trace'
    link.dataset.traceId = traceId
    line.append(link)
  }
  element('done', HTMLElement).prepend(line)
}

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (found instanceof type) return found
  throw new Error(`The page has no ${id}.`)
}
