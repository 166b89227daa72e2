/** `npm run audit:witness`: a witness of the audit log, in this process: it ends with whoever started it. */
import '../audit-service/witness-main.ts'
