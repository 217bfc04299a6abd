"""The models: from scratch (`linear`) and pretrained (`encoder`), behind one small protocol."""
