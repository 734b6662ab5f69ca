"""What tests share: small bundles, stand-ins, brokers, and programs that run beside a test."""
