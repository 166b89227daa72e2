/** The question before an order: would there be enough? Nothing is locked or reserved, so the answer holds for a moment. */
import type { StockAnswer, StockQuestion } from '@sightline/contracts'
import { notFound, type Queries } from '@sightline/service-kit'
import { findStockedProducts, hasPieces } from './products.ts'

/** Too little is an answer like any other; a product that doesn't exist is a 404. Items of one product count together. */
export async function checkStock(database: Queries, { items }: StockQuestion): Promise<StockAnswer> {
  const references = items.map((item) => item.product_id)
  const products = await findStockedProducts(database, [...new Set(references)])
  const unknown = references.find((reference) => !products.has(reference))
  if (unknown !== undefined) throw notFound('product', unknown)
  const lines = items.map(({ product_id, quantity }) => ({ product: products.get(product_id)!, quantity }))
  const wanted = new Map<string, number>()
  for (const { product, quantity } of lines) wanted.set(product.id, (wanted.get(product.id) ?? 0) + quantity)
  const answers = lines.map(({ product, quantity }) => ({
    product_id: product.id,
    name: product.name,
    quantity,
    available: hasPieces(product, wanted.get(product.id)!),
    stock: product.stock,
  }))
  return { available: answers.every((answer) => answer.available), items: answers }
}
